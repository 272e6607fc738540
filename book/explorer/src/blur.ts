/** Blur with a Gaussian, along each axis as a product with a matrix, as in `itn.transformations`. */

import { CHANNELS, like, meanColor, type Picture } from "./pictures.ts";
import type { Fill } from "./warp.ts";

/** Blur a picture by a standard deviation in pixels. */
export function blur(picture: Picture, sigma: number, fill: Fill): Picture {
  const { height, width } = picture;
  const rows = weightsOf(sigma, height, fill);
  const columns = weightsOf(sigma, width, fill);
  const down = blurredDown(picture.pixels, rows, height, width * CHANNELS);
  const across = transposed(
    blurredDown(transposed(down, height, width), columns, width, height * CHANNELS), width, height,
  );
  if (fill === "mean") addOutside(across, rows, columns, meanColor(picture));
  return like(picture, across);
}

/** Multiply a matrix [size, size] of weights with the rows of an array [size, length]. */
function blurredDown(
  values: Float32Array, weights: Float64Array, size: number, length: number,
): Float32Array {
  const blurred = new Float32Array(values.length);
  const sums = new Float64Array(length);
  for (let target = 0; target < size; target++) {
    sums.fill(0);
    for (let source = 0; source < size; source++) {
      const weight = weights[target * size + source];
      if (weight < 1e-9) continue; // less than float32 can add
      const start = source * length;
      for (let i = 0; i < length; i++) sums[i] += weight * values[start + i];
    }
    blurred.set(sums, target * length);
  }
  return blurred;
}

/** Exchange rows and columns of pixels. */
function transposed(values: Float32Array, height: number, width: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [from, to] = [(row * width + column) * CHANNELS, (column * height + row) * CHANNELS];
      result[to] = values[from];
      result[to + 1] = values[from + 1];
      result[to + 2] = values[from + 2];
    }
  }
  return result;
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

/** The weights [size, size] of every input pixel in every output pixel. */
function weightsOf(sigma: number, size: number, fill: Fill): Float64Array {
  const kernel = gaussian(fill === "reflect" ? Math.min(sigma, 2 * size) : sigma);
  const weights = new Float64Array(size * size);
  // Mirror images of all orders add their weights; eight times the widest σ to either side do.
  const orders = fill === "reflect" ? 16 : 0;
  for (let target = 0; target < size; target++) {
    for (let order = -orders; order <= orders; order++) {
      for (let source = 0; source < size; source++) {
        const mirrored = order % 2 === 0 ? source : size - 1 - source;
        weights[target * size + mirrored] += kernel(order * size + source - target);
      }
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
