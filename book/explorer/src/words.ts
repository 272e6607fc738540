/** What is said in words: magnitudes, answers, and the line of Python that does the same. */

import type { View } from "./address.ts";
import type { Transformation } from "./transformations.ts";

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

/** Say whether a network has changed its mind, and from what to what. */
export function verdict(
  classes: readonly string[], untouched: Float32Array, now: Float32Array, moved: boolean,
): string {
  const [before, after] = [bestOf(untouched), bestOf(now)];
  if (!moved) return `As it is, the picture is taken for ${classes[before]} (${percent(untouched[before])}).`;
  if (before === after) {
    return `The network has not changed its mind: still ${classes[after]}, ` +
      `${percent(now[after])} instead of ${percent(untouched[after])}.`;
  }
  return `The network has changed its mind: from ${classes[before]} (${percent(untouched[before])} ` +
    `before, ${percent(now[before])} now) to ${classes[after]} (${percent(now[after])}).`;
}

/** Write the call of the package that gives the same five classes. */
export function pythonLine(view: View, file?: string): string {
  const given = [view.network, file ?? view.picture].map((text) => JSON.stringify(text));
  for (const [name, magnitude] of Object.entries(view.magnitudes)) given.push(`${name}=${magnitude}`);
  if (view.fill !== "zeros") given.push(`fill="${view.fill}"`);
  if (view.clip) given.push("clip=True");
  return `from itn import study; study.five_best(${given.join(", ")})`;
}
