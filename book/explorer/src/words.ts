/** What is said in words: magnitudes, answers, and the line of Python that does the same. */

import type { View } from "./address.ts";
import type { ColorParts, SpatialParts } from "./matrices.ts";
import type { ClassCurve, NetworkDescription } from "./pack.ts";
import type { Sweep } from "./sweep.ts";
import { DIRECTIONS } from "./thresholds.ts";
import type { Transformation } from "./transformations.ts";

const FEW = 4; // classes that a sentence names

/** Write a magnitude with its unit, to three significant digits. */
export function magnitudeText(magnitude: number, { unit }: Transformation): string {
  const digits = String(Number(magnitude.toPrecision(3))).replace("-", "−");
  return unit === "" ? digits : unit === "°" ? `${digits}°` : `${digits} ${unit}`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
}

/** The class that comes highest. */
export function bestOf(softmax: Float32Array): number {
  return softmax.reduce((best, share, i) => (share > softmax[best] ? i : best), 0);
}

/** The classes that come highest, the first one first. */
export function bestFew(softmax: Float32Array, count: number): number[] {
  return Array.from(softmax.keys())
    .sort((one, other) => softmax[other] - softmax[one] || one - other)
    .slice(0, count);
}

const quoted = (name: string): string => `“${name}”`;

/** Say whether a network has changed its mind, and from what to what. */
export function verdict(
  classes: readonly string[], untouched: Float32Array, now: Float32Array, moved: boolean,
): string {
  const [before, after] = [bestOf(untouched), bestOf(now)];
  if (!moved) return `As it is, the picture is taken for ${quoted(classes[before])} (${percent(untouched[before])}).`;
  if (before === after) {
    return `The network has not changed its mind: still ${quoted(classes[after])}, ` +
      `${percent(now[after])} instead of ${percent(untouched[after])}.`;
  }
  return `The network has changed its mind: from ${quoted(classes[before])} (${percent(untouched[before])} ` +
    `before, ${percent(now[before])} now) to ${quoted(classes[after])} (${percent(now[after])}).`;
}

/** Say what the network can know of a picture at all; `picture` is undefined for a reader's own. */
export function fitWords(network: NetworkDescription, picture?: string): string {
  const { classes, knows, phantom, taught } = network;
  if (picture === undefined) {
    return phantom
      ? `This network has learned ${taught} alone: it was never meant for your picture, and its answer says little about it.`
      : `Of your picture this network can only say which of its ${classes.length} classes comes closest; if none fits, every answer is wrong.`;
  }
  const right = knows[picture] ?? [];
  if (right.length === 0) {
    return `None of the ${classes.length} classes of this network is what this picture shows: it was never meant for it, and whatever it answers is wrong.`;
  }
  return `Of its ${classes.length} classes, right would be ${listed(right)}.`;
}

function listed(names: readonly string[]): string {
  const few = names.slice(0, FEW).map(quoted);
  return few.length < 2 ? few.join("") : `${few.slice(0, -1).join(", ")} or ${few[few.length - 1]}`;
}

/** Say where a class is lost in a sweep. */
export function sweepWords(sweep: Sweep, className: string): string {
  const { axis, transformation } = sweep;
  const write = (magnitude: number): string => magnitudeText(magnitude, transformation);
  const losses = sweep.losses();
  const found = DIRECTIONS.flatMap((direction) => {
    const { status, threshold, held, failure } = losses[direction];
    const end = write(direction === "down" ? axis[0] : axis[axis.length - 1]);
    if (status === "reached") {
      return [`towards ${end} it is lost at ${write(threshold)}, between ${write(held)} and ${write(failure)}`];
    }
    return status === "not reached" ? [`towards ${end} it holds throughout`] : [];
  });
  const lost = DIRECTIONS.some((direction) => losses[direction].status === "lost at identity");
  return lost
    ? `With everything else as it is, another class than ${quoted(className)} comes highest from the start.`
    : `The answer ${quoted(className)}: ${found.join("; ")}.`;
}

/** Say what the lines of a curve are; the first of each pair names its style. */
export function curveWords(className: string, archived?: ClassCurve): [string, string][] {
  const lines: [string, string][] = [
    ["own", `this picture: ${quoted(className)}`],
    ["others", "the highest other class"],
    ["lost", "where the answer is lost"],
    ["now", "where the slider stands"],
  ];
  if (archived) {
    lines.splice(1, 0, ["archived", `mean of ${archived.pictures} pictures of ${quoted(className)}, with its 95 % interval`]);
  }
  return lines;
}

/** Say what learned matrices do to a picture. */
export function learnedWords(places: SpatialParts, colors: ColorParts): string {
  const turn = (angle: number): string => `${Math.abs(angle).toFixed(1)}°`;
  const share = (value: number): string => percent(Math.abs(value));
  const sideways = places.shiftX < 0 ? "left" : "right";
  const upright = places.shiftY < 0 ? "up" : "down";
  return `The picture is turned by ${turn(places.rotation)} ${places.rotation < 0 ? "clockwise" : "counter-clockwise"}, ` +
    `scaled by ${factor(places.scaleX)} horizontally and ${factor(places.scaleY)} vertically, ` +
    `sheared by ${signed(places.shear)}, ` +
    `shifted by ${share(places.shiftX)} to the ${sideways} and ${share(places.shiftY)} ${upright}. ` +
    `Its colors: brightness ${signed(colors.brightness)}, contrast × ${factor(colors.contrast)}, ` +
    `saturation × ${factor(colors.saturation)}, hue turned by ${signed(colors.hue, 1)}°.`;
}

const factor = (value: number): string => value.toFixed(2);
const signed = (value: number, digits = 2): string =>
  `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

/** Write the call of the package that gives the same five classes. */
export function pythonLine(view: View, file?: string): string {
  const given = [view.network, file ?? view.picture].map((text) => JSON.stringify(text));
  for (const [name, magnitude] of Object.entries(view.magnitudes)) given.push(`${name}=${magnitude}`);
  if (view.fill !== "zeros") given.push(`fill="${view.fill}"`);
  if (view.clip) given.push("clip=True");
  for (const [name, values] of Object.entries(view.learned ?? {})) {
    given.push(`${name}=[${(values as readonly number[]).join(", ")}]`);
  }
  return `from itn import study; study.five_best(${given.join(", ")})`;
}
