/** The curve of a sweep, with where the class is lost, over the curve of the class's pictures. */

import type { ClassCurve } from "./pack.ts";
import type { Sweep } from "./sweep.ts";
import { DIRECTIONS } from "./thresholds.ts";
import type { Transformation } from "./transformations.ts";
import { magnitudeText } from "./words.ts";

const HEIGHT = 240;
const LEFT = 44; // what lies beside the axes, in pixels
const RIGHT = 14;
const TOP = 22;
const BOTTOM = 44;
const SMALLEST = 260;
const SHARES = [0, 0.25, 0.5, 0.75, 1];

type Point = readonly [number, number];

function shape(
  name: string, attributes: Readonly<Record<string, string | number>>, text = "",
): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

const path = (points: readonly Point[]): string =>
  points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

export class Chart {
  readonly drawing = shape("svg", { class: "chart", role: "img" }) as SVGSVGElement;

  /** Draw what is known of a sweep; `now` is where the slider stands. */
  draw(sweep: Sweep, archived: ClassCurve | undefined, now: number, label: string): void {
    const width = Math.max(this.drawing.parentElement?.clientWidth ?? 0, SMALLEST);
    const { axis, transformation } = sweep;
    const scale = transformation.logarithmic ? Math.log2 : (at: number): number => at;
    const [low, high] = [scale(axis[0]), scale(axis[axis.length - 1])];
    const x = (at: number): number =>
      LEFT + ((scale(at) - low) / (high - low)) * (width - LEFT - RIGHT);
    const y = (share: number): number => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
    const line = (name: string, values: ArrayLike<number>, positions: readonly number[]): SVGElement =>
      shape("path", { class: name, d: path(positions.map((i) => [x(axis[i]), y(values[i])])) });

    const parts = [...axes(transformation, axis, x, y, width)];
    if (archived) {
      const all = [...axis.keys()];
      const there = all.map((i): Point => [x(axis[i]), y(archived.high[i])]);
      const back = all.map((i): Point => [x(axis[i]), y(archived.low[i])]).reverse();
      parts.push(shape("path", { class: "band", d: `${path([...there, ...back])}Z` }));
      parts.push(line("archived", archived.mean, all));
    }
    const known = sweep.known();
    parts.push(line("others", sweep.others, known), line("own", sweep.own, known));
    parts.push(shape("line", { class: "now", x1: x(now), x2: x(now), y1: TOP, y2: y(0) }));
    const losses = sweep.losses();
    for (const direction of DIRECTIONS) {
      const { status, threshold } = losses[direction];
      if (status !== "reached") continue;
      const at = x(threshold);
      parts.push(shape("line", { class: "lost", x1: at, x2: at, y1: TOP, y2: y(0) }));
      const anchor = at < LEFT + 40 ? "start" : at > width - RIGHT - 40 ? "end" : "middle";
      const text = magnitudeText(threshold, transformation);
      parts.push(shape("text", { x: at, y: TOP - 6, "text-anchor": anchor }, text));
    }
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.drawing.setAttribute("aria-label", label);
    this.drawing.replaceChildren(...parts);
  }
}

function* axes(
  transformation: Transformation, axis: readonly number[], x: (at: number) => number,
  y: (share: number) => number, width: number,
): Generator<SVGElement> {
  for (const share of SHARES) {
    yield shape("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(share), y2: y(share) });
    yield shape("text", { x: LEFT - 6, y: y(share) + 4, "text-anchor": "end" }, String(share));
  }
  for (const at of ticks(transformation, axis[0], axis[axis.length - 1])) {
    const text = String(at).replace("-", "−");
    yield shape("line", { class: "grid", x1: x(at), x2: x(at), y1: y(0), y2: y(0) + 4 });
    yield shape("text", { x: x(at), y: y(0) + 16, "text-anchor": "middle" }, text);
  }
  const middle = (LEFT + width - RIGHT) / 2;
  yield shape("text", { x: middle, y: HEIGHT - 8, "text-anchor": "middle" }, transformation.magnitude);
}

/** Octaves of factors, quarters of turns, otherwise at most five even steps. */
function ticks({ logarithmic, unit }: Transformation, low: number, high: number): number[] {
  const between = (first: number, last: number, value: (i: number) => number): number[] =>
    Array.from({ length: last - first + 1 }, (_, i) => value(first + i));
  if (logarithmic) {
    return between(Math.round(Math.log2(low)), Math.round(Math.log2(high)), (octave) => 2 ** octave);
  }
  const rough = (high - low) / 5;
  const tens = 10 ** Math.floor(Math.log10(rough));
  const step = unit === "°" ? 90 : ([1, 2, 5, 10].find((each) => each * tens >= rough) ?? 10) * tens;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return between(first, last, (i) => Number((i * step).toPrecision(6)));
}
