/**
 * Where a prediction is lost on the way out from the identity, as `itn.thresholds` (by the
 * criterion *switch*) and `itn.tolerances` find it.
 */

import type { Transformation } from "./transformations.ts";

export const DIRECTIONS = ["down", "up"] as const;
export type Direction = (typeof DIRECTIONS)[number];

export interface Loss {
  readonly status: "reached" | "not reached" | "lost at identity" | "not screened";
  readonly threshold: number; // where the margin is zero; these numbers are NaN where there is none
  readonly held: number; // the last magnitude before the first failure, or the farthest
  readonly failure: number; // the first one that fails
}

/**
 * Lay magnitudes out so that both directions lead away from the identity: what has a period goes
 * half of it to either side. Tells also which of the given magnitudes each one is.
 */
export function unrolled(
  magnitudes: readonly number[], { identity, period }: Pick<Transformation, "identity" | "period">,
): { axis: number[]; order: number[] } {
  const laid = magnitudes.map((magnitude, given) => ({ at: magnitude, given }));
  if (period === null) return sorted(laid);
  const half = period / 2;
  const moved = laid.map(({ at, given }) => ({
    at: ((((at - identity + half) % period) + period) % period) - half + identity, given,
  }));
  const far = moved.filter(({ at }) => at === identity - half);
  const near = moved.filter(({ at }) => at !== identity - half);
  const away = [...near.map(({ at }) => at), ...far.map(({ given }) => magnitudes[given])];
  const ends = [-1, 1].filter((side) => away.some((at) => side * (at - identity) > 0));
  return sorted([
    ...near, ...ends.flatMap((side) => far.map(({ given }) => ({ at: identity + side * half, given }))),
  ]);
}

function sorted(laid: readonly { at: number; given: number }[]): { axis: number[]; order: number[] } {
  const first = new Map<number, number>();
  for (const { at, given } of laid) if (!first.has(at)) first.set(at, given);
  const axis = [...first.keys()].sort((one, other) => one - other);
  return { axis, order: axis.map((at) => first.get(at) ?? 0) };
}

/** The positions on an unrolled axis that lead away from the identity, each side beginning there. */
export function sides(axis: readonly number[], identity: number): Record<Direction, number[]> {
  const positions = axis.includes(identity) ? [...axis.keys()] : [];
  return {
    down: positions.filter((i) => axis[i] <= identity).reverse(),
    up: positions.filter((i) => axis[i] >= identity),
  };
}

/** By how much a class leads all others; negative where another one comes higher. */
export function marginOf(softmax: Float32Array, target: number): number {
  return softmax[target] - highestOther(softmax, target);
}

export function highestOther(softmax: Float32Array, target: number): number {
  return softmax.reduce((most, share, i) => (i === target ? most : Math.max(most, share)), -Infinity);
}

/** Find the loss on one side; magnitudes and margins begin at the identity. */
export function lossOf(
  magnitudes: readonly number[], margins: readonly number[], logarithmic: boolean,
): Loss {
  if (margins.length < 2) {
    return { status: "not screened", threshold: NaN, held: NaN, failure: NaN };
  }
  const first = margins.findIndex((margin) => margin < 0);
  const failure = first < 0 ? NaN : magnitudes[first];
  const held = first < 0 ? (magnitudes.at(-1) ?? NaN) : first > 0 ? magnitudes[first - 1] : NaN;
  const without = (status: Loss["status"]): Loss => ({ status, threshold: NaN, held, failure });
  if (!(margins[0] > 0)) return without("lost at identity");
  if (first < 0) return without("not reached");
  const share = margins[first - 1] / (margins[first - 1] - margins[first]);
  const [inside, outside] = [held, failure].map(logarithmic ? Math.log : (at) => at);
  const between = inside + share * (outside - inside);
  return { status: "reached", threshold: logarithmic ? Math.exp(between) : between, held, failure };
}
