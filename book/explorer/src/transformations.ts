/** The eleven transformations of `itn.transformations`, and several of them at once. */

import { blur } from "./blur.ts";
import { noiseField } from "./noise.ts";
import { like, type Picture } from "./pictures.ts";
import {
  affineWarp, afterColors, afterPlaces, recolor, SAME_COLORS, SAME_PLACES,
  type AffineMatrix, type ColorMatrix, type Fill,
} from "./warp.ts";

/** What one transformation does, and what its magnitude means; as the package says it. */
export interface Transformation {
  readonly name: string;
  readonly title: string;
  readonly effect: string;
  readonly magnitude: string; // what it measures, for the axis of a figure
  readonly unit: string;
  readonly identity: number;
  readonly lower: number | null; // null: there is no bound
  readonly upper: number | null;
  readonly logarithmic: boolean;
  readonly period: number | null;
}

/** How far each transformation goes; those that are not named stay at their identity. */
export type Magnitudes = Readonly<Record<string, number>>;

/** All magnitudes but one. */
export function without(magnitudes: Magnitudes, name: string): Magnitudes {
  return Object.fromEntries(Object.entries(magnitudes).filter(([other]) => other !== name));
}

export interface Options {
  readonly fill: Fill;
  readonly clip: boolean;
  readonly seeds: readonly number[]; // of the noise
  readonly grayWeights: readonly [number, number, number];
  readonly learned?: Learned | undefined; // done after the others of its kind
}

/** Matrices of a learned family; that of places in pixels. */
export interface Learned {
  readonly places: AffineMatrix;
  readonly colors: ColorMatrix;
}

type Motion = (magnitude: number, height: number, width: number) => AffineMatrix;

const stretched = (x: number, y: number): AffineMatrix => [[1 / x, 0, 0], [0, 1 / y, 0]];

/** What moves pixels, in the order in which it is done. */
export const MOTIONS: Readonly<Record<string, Motion>> = {
  translation_x: (share, _, width) => [[1, 0, -share * width], [0, 1, 0]],
  translation_y: (share, height) => [[1, 0, 0], [0, 1, -share * height]],
  rotation: rotated,
  scale_x: (factor) => stretched(factor, 1),
  scale_y: (factor) => stretched(1, factor),
  zoom: (factor) => stretched(factor, factor),
};

type Recoloring = (magnitude: number, grayWeights: Options["grayWeights"]) => ColorMatrix;

/** What changes each color by itself, in the order in which it is done. */
export const RECOLORINGS: Readonly<Record<string, Recoloring>> = {
  brightness: (shift) => [[1, 0, 0, shift], [0, 1, 0, shift], [0, 0, 1, shift]],
  contrast: (factor) => [[factor, 0, 0, 0], [0, factor, 0, 0], [0, 0, factor, 0]],
  grayscale: (share, [red, green, blue]) => {
    const [own, r, g, b] = [1 - share, share * red, share * green, share * blue];
    return [[own + r, g, b, 0], [r, own + g, b, 0], [r, g, own + b, 0]];
  },
};

/**
 * Transform a picture by all that is asked for: first what moves pixels, as one product of
 * matrices, then what changes colors, as another, then blur, then noise.
 */
export function transformed(picture: Picture, magnitudes: Magnitudes, options: Options): Picture {
  let result = picture;
  const { height, width } = picture;
  const motions = matrices(MOTIONS, magnitudes, (motion, magnitude) => motion(magnitude, height, width));
  const places = product(motions, options.learned?.places, SAME_PLACES, afterPlaces);
  if (places) result = affineWarp(result, places, options.fill);
  const recolorings = matrices(RECOLORINGS, magnitudes, (recoloring, magnitude) =>
    recoloring(magnitude, options.grayWeights),
  );
  const colors = product(recolorings, options.learned?.colors, SAME_COLORS, afterColors);
  if (colors) result = recolor(result, colors);
  if (magnitudes.blur) result = blur(result, magnitudes.blur, options.fill);
  if (magnitudes.noise) result = noisy(result, magnitudes.noise, options.seeds);
  return options.clip ? clipped(result) : result;
}

/** The matrices of all transformations of a kind that are asked for. */
function matrices<Act, Matrix>(
  acts: Readonly<Record<string, Act>>, magnitudes: Magnitudes, matrix: (act: Act, magnitude: number) => Matrix,
): Matrix[] {
  const asked = Object.keys(acts).filter((name) => name in magnitudes);
  return asked.map((name) => matrix(acts[name], magnitudes[name]));
}

/** Multiply matrices, a learned one at last, if there are any. */
function product<Matrix>(
  several: readonly Matrix[], learned: Matrix | undefined, identity: Matrix,
  after: (first: Matrix, second: Matrix) => Matrix,
): Matrix | undefined {
  const all = learned === undefined ? several : [...several, learned];
  return all.length === 0 ? undefined : all.reduce(after, identity);
}

function rotated(degrees: number): AffineMatrix {
  // Whole quarter turns are split off, so that multiples of 90° hit pixel centers exactly.
  const quarters = Math.round(degrees / 90);
  const radians = ((degrees - 90 * quarters) * Math.PI) / 180;
  const [quarterCos, quarterSin] = [[1, 0], [0, 1], [-1, 0], [0, -1]][((quarters % 4) + 4) % 4];
  const cos = Math.cos(radians) * quarterCos - Math.sin(radians) * quarterSin;
  const sin = Math.sin(radians) * quarterCos + Math.cos(radians) * quarterSin;
  // y runs down, so this reads clockwise and thereby turns the content counter-clockwise.
  return [[cos, -sin, 0], [sin, cos, 0]];
}

/** The last field that was drawn; a slider that moves asks for the same one again and again. */
let drawn: { key: string; field: Float32Array } | undefined;

function noisy(picture: Picture, sigma: number, seeds: readonly number[]): Picture {
  const { pixels } = picture;
  const key = `${seeds.join()}/${pixels.length}`;
  if (drawn?.key !== key) drawn = { key, field: noiseField(seeds, pixels.length) };
  const { field } = drawn;
  return like(picture, pixels.map((value, i) => value + sigma * field[i]));
}

function clipped(picture: Picture): Picture {
  return like(picture, picture.pixels.map((value) => Math.min(Math.max(value, 0), 1)));
}
