/** The controls of the page: sliders, choices and buttons, each with its label. */

import { ends } from "./address.ts";
import type { Transformation } from "./transformations.ts";
import { magnitudeText } from "./words.ts";

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name, properties: Partial<HTMLElementTagNameMap[Name]> = {}, children: (Node | string)[] = [],
): HTMLElementTagNameMap[Name] {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** A choice among names. */
export function choice(
  label: string, options: readonly (readonly [string, string])[], chosen: (value: string) => void,
): { box: HTMLElement; select: HTMLSelectElement } {
  const select = element("select", {}, options.map(([value, text]) => element("option", { value }, [text])));
  select.addEventListener("change", () => { chosen(select.value); });
  return { box: element("label", { className: "choice" }, [label, select]), select };
}

export interface Slider {
  readonly box: HTMLElement;
  /** Show a magnitude without saying that it was moved. */
  show(magnitude: number): void;
}

const STEPS = 200; // of a slider that is no angle

/** A slider over the sweep of a transformation; factors run on a logarithmic scale. */
export function slider(
  transformation: Transformation, sweep: readonly number[], moved: (magnitude: number) => void,
): Slider {
  const scale = transformation.logarithmic ? Math.log2 : (value: number): number => value;
  const [low, high] = ends(transformation.name, sweep).map(scale);
  const step = transformation.unit === "°" ? 1 : (high - low) / STEPS;
  const input = element("input", {
    type: "range", min: String(low), max: String(high), step: String(step),
  });
  const output = element("output");
  const say = (magnitude: number): void => {
    output.value = magnitudeText(magnitude, transformation);
    input.setAttribute("aria-valuetext", output.value);
  };
  input.addEventListener("input", () => {
    const position = Number(input.value);
    const exact = transformation.logarithmic ? 2 ** position : position;
    const magnitude = Math.abs(position - scale(transformation.identity)) < step / 2
      ? transformation.identity
      : Number(exact.toPrecision(4));
    say(magnitude);
    moved(magnitude);
  });
  const box = element("label", { className: "slider", title: transformation.effect }, [
    element("span", {}, [transformation.title]), input, output,
  ]);
  return {
    box,
    show: (magnitude) => {
      input.value = String(scale(magnitude));
      say(magnitude);
    },
  };
}
