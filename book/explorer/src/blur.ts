/** Blur with a Gaussian, along each axis as a product with a matrix, as in `itn.transformations`. */

import { matMul, reshape, tensor, tidy, transpose, type Tensor2D } from "@tensorflow/tfjs-core";

import { CHANNELS, like, meanColor, type Picture } from "./pictures.ts";
import type { Fill } from "./warp.ts";

/** Blur a picture by a standard deviation in pixels. */
export function blur(picture: Picture, sigma: number, fill: Fill): Picture {
  const { height, width } = picture;
  const rows = weightsOf(sigma, height, fill);
  const columns = width === height ? rows : weightsOf(sigma, width, fill);
  const blurred = tidy(() => {
    const pixels = tensor(picture.pixels, [height, width * CHANNELS]);
    const down = matMul(matrixOf(rows, height), pixels as Tensor2D);
    const turned = transpose(reshape(down, [height, width, CHANNELS]), [1, 0, 2]);
    const across = matMul(matrixOf(columns, width), reshape(turned, [width, height * CHANNELS]));
    return transpose(reshape(across, [width, height, CHANNELS]), [1, 0, 2]).dataSync<"float32">();
  });
  if (fill === "mean") addOutside(blurred, rows, columns, meanColor(picture));
  return like(picture, blurred);
}

function matrixOf(weights: Float64Array, size: number): Tensor2D {
  return tensor(Float32Array.from(weights), [size, size]);
}

/** Add the mean color as far as the kernel reaches beyond the picture. */
function addOutside(
  pixels: Float32Array, rows: Float64Array, columns: Float64Array, mean: readonly number[],
): void {
  const [down, across] = [rows, columns].map((weights) => {
    const size = Math.sqrt(weights.length);
    return Float64Array.from({ length: size }, (_, i) =>
      weights.subarray(i * size, (i + 1) * size).reduce((sum, weight) => sum + weight, 0),
    );
  });
  let target = 0;
  for (const inRow of down) {
    for (const inColumn of across) {
      for (const value of mean) pixels[target++] += (1 - inRow * inColumn) * value;
    }
  }
}

const REACH = 9; // standard deviations, beyond which 32 bits know of no weight

/** The weights [size, size] of every input pixel in every output pixel. */
function weightsOf(sigma: number, size: number, fill: Fill): Float64Array {
  const spread = fill === "reflect" ? Math.min(sigma, 2 * size) : sigma;
  const kernel = gaussian(spread);
  const weights = new Float64Array(size * size);
  const reach = Math.ceil(REACH * spread);
  const share = Float64Array.from({ length: reach + 1 }, (_, distance) => kernel(distance));
  const [first, last] = fill === "reflect" ? [-Infinity, Infinity] : [0, size - 1];
  for (let target = 0; target < size; target++) {
    const end = Math.min(target + reach, last);
    for (let source = Math.max(target - reach, first); source <= end; source++) {
      const order = Math.floor(source / size); // of the mirror image that lies there
      const place = source - order * size;
      const mirrored = order % 2 === 0 ? place : size - 1 - place;
      weights[target * size + mirrored] += share[Math.abs(source - target)];
    }
    if (fill === "edge") addTails(weights.subarray(target * size, (target + 1) * size), target, kernel);
  }
  return weights;
}

/** Let the border pixels stand for all that lies behind them: the tails of the kernel. */
function addTails(row: Float64Array, target: number, kernel: (distance: number) => number): void {
  const last = row.length - 1;
  let inside = 0;
  for (const weight of row) inside += weight;
  // What is missing lies beyond either end; by symmetry, all at distance ≥ d on one side is known.
  const beyond = (distance: number): number => {
    let sum = (1 - kernel(0)) / 2;
    for (let d = 1; d < distance; d++) sum -= kernel(d);
    return Math.max(sum, 0);
  };
  if (inside < 1) {
    row[0] += beyond(target + 1);
    row[last] += beyond(last - target + 1);
  }
}

/** Normalized Gaussian weights at whole distances. */
function gaussian(given: number): (distance: number) => number {
  const sigma = Math.max(given, 1e-3); // below, there is no weight but at the center
  const share = (distance: number): number => Math.exp(-(distance ** 2) / (2 * sigma ** 2));
  let total = sigma * Math.sqrt(2 * Math.PI);
  if (sigma < 1) {
    total = 0; // from σ = 1 on the sum over all whole numbers is the integral
    for (let distance = -8; distance <= 8; distance++) total += share(distance);
  }
  return (distance) => share(distance) / total;
}
