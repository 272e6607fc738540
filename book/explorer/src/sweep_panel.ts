/** What sweeps a picture: a choice of the transformation, the curve, and what is said of it. */

import { toAddress, type View } from "./address.ts";
import { Chart } from "./chart.ts";
import { choice, element } from "./controls.ts";
import type { ClassCurve } from "./pack.ts";
import { Sweep } from "./sweep.ts";
import { without, type Transformation } from "./transformations.ts";
import { curveWords, sweepWords } from "./words.ts";

/** What a sweep needs to know of what is shown. */
export interface Swept {
  readonly view: View;
  readonly picture: string; // its name; that of a reader's own is no part of the view
  readonly target: number; // the class whose loss is looked for
  readonly className: string;
  readonly magnitudes: readonly number[];
  readonly archived: ClassCurve | undefined;
  /** What the network says when all else stays as it is. */
  readonly ask: (magnitude: number) => Promise<Float32Array>;
}

const nextFrame = (): Promise<unknown> => new Promise(requestAnimationFrame);
const STILL = "(prefers-reduced-motion: reduce)";

export class SweepPanel {
  readonly box: HTMLElement;
  private readonly chart = new Chart();
  private readonly button = element("button", { type: "button" });
  private readonly words = element("p", { className: "visually-hidden", role: "status" });
  private readonly seen = element("p");
  private readonly legend = element("p", { className: "legend" });
  private readonly figure = element("div", { className: "curve", hidden: true }, [
    this.chart.drawing, this.legend, this.seen,
  ]);
  private readonly which: ReturnType<typeof choice>;
  private view: View | undefined;
  private current: { sweep: Sweep; swept: Swept; key: string; running: boolean } | undefined;

  constructor(
    private readonly transformations: readonly Transformation[],
    private readonly prepare: (transformation: Transformation) => Promise<Swept>,
    private readonly fail: (error: unknown) => void,
  ) {
    const options = transformations.map(({ name, title }) => [name, title] as const);
    this.which = choice("Sweep of", options, () => { this.clear(); });
    this.button.addEventListener("click", () => {
      if (this.current?.running) this.clear();
      else void this.start().catch(this.fail);
    });
    this.box = element("div", {}, [
      element("div", { className: "choices sweep" }, [this.which.box, this.button]), this.figure, this.words,
    ]);
    this.name();
  }

  /** Take the transformation that was moved, unless a curve is there. */
  choose(name: string): void {
    if (!this.current) this.which.select.value = name;
  }

  /** Keep the curve while only its own slider moves; whatever else changes, it is another one. */
  follow(view: View, picture: string): void {
    if (!this.current) return;
    this.view = view;
    if (keyOf(view, picture, this.which.select.value) === this.current.key) this.draw();
    else this.clear();
  }

  clear(): void {
    this.current = undefined;
    this.figure.hidden = true;
    this.name();
  }

  private name(): void {
    this.button.textContent = this.current?.running ? "Stop" : "Sweep this picture";
  }

  private async start(): Promise<void> {
    const name = this.which.select.value;
    const transformation = this.transformations.find((each) => each.name === name);
    if (!transformation) return;
    const swept = await this.prepare(transformation);
    const sweep = new Sweep(transformation, swept.magnitudes, swept.target);
    const current = { sweep, swept, key: keyOf(swept.view, swept.picture, name), running: true };
    this.current = current;
    this.view = swept.view;
    this.figure.hidden = false;
    this.name();
    const still = matchMedia(STILL).matches;
    const done = await sweep.run(swept.ask, async () => {
      await nextFrame();
      if (this.current !== current) return false;
      if (!still) this.draw();
      return true;
    });
    if (!done) return;
    current.running = false;
    this.name();
    this.draw();
    this.words.textContent = this.seen.textContent;
  }

  private draw(): void {
    if (!this.current || !this.view) return;
    const { sweep, swept, running } = this.current;
    const { name, title, identity } = sweep.transformation;
    const label = `Softmax of ${swept.className} against ${title}`;
    this.chart.draw(sweep, swept.archived, this.view.magnitudes[name] ?? identity, label);
    this.legend.replaceChildren(...curveWords(swept.className, swept.archived).map(([kind, text]) =>
      element("span", { className: kind }, [text]),
    ));
    this.seen.textContent = running
      ? `${sweep.known().length} of ${sweep.axis.length} magnitudes`
      : sweepWords(sweep, swept.className);
    this.figure.dataset.known = String(sweep.known().length);
  }
}

/** All that a curve depends on: the view without its own magnitude. */
function keyOf(view: View, picture: string, name: string): string {
  const magnitudes = Object.entries(without(view.magnitudes, name)).sort();
  return `${picture} ${name} ${toAddress({ ...view, magnitudes: Object.fromEntries(magnitudes) })}`;
}
