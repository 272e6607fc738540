/** The families that an Invariant Transformer Net has learned: a matrix for each control vector. */

import type { ArrayNumber, Pack } from "./pack.ts";
import type { AffineMatrix, ColorMatrix } from "./warp.ts";

interface Dense {
  readonly kernel: ArrayNumber; // [inputs, outputs]
  readonly bias: ArrayNumber;
}

/** Two dense layers, with ReLU between them: what makes a matrix of a control vector. */
export interface TransformerDescription {
  readonly hidden: Dense;
  readonly entries: Dense;
}

export interface FamilyDescription {
  readonly spatial: TransformerDescription;
  readonly color: TransformerDescription;
  readonly pictures: number; // that it was learned from
}

/** One value in [0, 1] for each input of the spatial and of the color transformer. */
export interface Controls {
  readonly alpha: readonly number[];
  readonly beta: readonly number[];
}

export const MIDDLE = 0.5; // of each control value

/** How many control values a family has. */
export function lengthsOf(family: FamilyDescription, pack: Pack): { alpha: number; beta: number } {
  const [alpha, beta] = [family.spatial, family.color].map(
    ({ hidden }) => pack.shape(hidden.kernel)[0],
  );
  return { alpha, beta };
}

/** The matrix of places, in coordinates that run from -1 to 1 over the picture. */
export function placesOf(family: FamilyDescription, { alpha }: Controls, pack: Pack): AffineMatrix {
  const [a, b, c, d, e, f] = entriesOf(family.spatial, alpha, pack);
  return [[a, b, c], [d, e, f]];
}

export function colorsOf(family: FamilyDescription, { beta }: Controls, pack: Pack): ColorMatrix {
  const entries = entriesOf(family.color, beta, pack);
  const [red, green, blue] = [0, 4, 8].map((first) => entries.slice(first, first + 4));
  return [red, green, blue] as unknown as ColorMatrix;
}

/** A matrix of places in pixels, of a picture as wide as it is high. */
export function inPixels([[a, b, c], [d, e, f]]: AffineMatrix, size: number): AffineMatrix {
  return [[a, b, (c * size) / 2], [d, e, (f * size) / 2]];
}

function entriesOf(
  { hidden, entries }: TransformerDescription, control: readonly number[], pack: Pack,
): number[] {
  return dense(entries, dense(hidden, control, pack).map((value) => Math.max(value, 0)), pack);
}

function dense({ kernel, bias }: Dense, inputs: readonly number[], pack: Pack): number[] {
  const weights = pack.floats(kernel);
  return Array.from(pack.floats(bias), (shift, output) =>
    inputs.reduce((sum, input, i) => sum + input * weights[i * pack.shape(bias)[0] + output], shift),
  );
}
