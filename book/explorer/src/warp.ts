/**
 * What matrices do to pictures: the one warp, of places, and the product with colors.
 *
 * As in `itn.warp`: x runs right, y runs down, the origin is the picture's center, and an affine
 * matrix, in pixels, maps where a pixel is written to where it is read.
 */

import { CHANNELS, like, meanColor, type Picture } from "./pictures.ts";

export const FILLS = ["zeros", "edge", "reflect", "mean"] as const;
export type Fill = (typeof FILLS)[number];

type Row = readonly [number, number, number];
/** Two rows: x and y of the point to read. */
export type AffineMatrix = readonly [Row, Row];
type ColorRow = readonly [number, number, number, number];
/** Three rows: what red, green and blue become of (red, green, blue, 1). */
export type ColorMatrix = readonly [ColorRow, ColorRow, ColorRow];

export const SAME_PLACES: AffineMatrix = [[1, 0, 0], [0, 1, 0]];
export const SAME_COLORS: ColorMatrix = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]];

/** Multiply affine matrices: what the second does is done to what the first shows. */
export function afterPlaces(first: AffineMatrix, second: AffineMatrix): AffineMatrix {
  const row = ([a, b, c]: Row): Row => {
    const [[d, e, f], [g, h, i]] = second;
    return [a * d + b * g, a * e + b * h, a * f + b * i + c];
  };
  return [row(first[0]), row(first[1])];
}

/** Multiply color matrices: what the second does is done to what the first makes. */
export function afterColors(first: ColorMatrix, second: ColorMatrix): ColorMatrix {
  const [red, green, blue] = first;
  const row = ([r, g, b, shift]: ColorRow): ColorRow => [
    r * red[0] + g * green[0] + b * blue[0],
    r * red[1] + g * green[1] + b * blue[1],
    r * red[2] + g * green[2] + b * blue[2],
    r * red[3] + g * green[3] + b * blue[3] + shift,
  ];
  return [row(second[0]), row(second[1]), row(second[2])];
}

/** Resample a picture at affinely transformed coordinates, bilinearly. */
export function affineWarp(picture: Picture, matrix: AffineMatrix, fill: Fill): Picture {
  const { height, width } = picture;
  const framed = withFrame(picture, fill);
  const rowLength = (width + 3) * CHANNELS;
  const [[a, b, c], [d, e, f]] = matrix;
  const [centerX, centerY] = [(width - 1) / 2, (height - 1) / 2];
  const warped = new Float32Array(picture.pixels.length);
  let target = 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [fromCenterX, fromCenterY] = [column - centerX, row - centerY];
      const x = intoFrame(a * fromCenterX + b * fromCenterY + c + centerX, width, fill);
      const y = intoFrame(d * fromCenterX + e * fromCenterY + f + centerY, height, fill);
      const [left, top] = [Math.floor(x), Math.floor(y)];
      const [rightShare, bottomShare] = [x - left, y - top];
      const above = (top + 1) * rowLength + (left + 1) * CHANNELS;
      const below = above + rowLength;
      for (let channel = 0; channel < CHANNELS; channel++) {
        const upper = mix(framed[above + channel], framed[above + channel + CHANNELS], rightShare);
        const lower = mix(framed[below + channel], framed[below + channel + CHANNELS], rightShare);
        warped[target++] = mix(upper, lower, bottomShare);
      }
    }
  }
  return like(picture, warped);
}

/** Multiply the homogeneous colors (red, green, blue, 1) of a picture by a matrix. */
export function recolor(picture: Picture, matrix: ColorMatrix): Picture {
  const { pixels } = picture;
  const recolored = new Float32Array(pixels.length);
  for (let i = 0; i < pixels.length; i += CHANNELS) {
    for (let channel = 0; channel < CHANNELS; channel++) {
      const [red, green, blue, shift] = matrix[channel];
      recolored[i + channel] =
        red * pixels[i] + green * pixels[i + 1] + blue * pixels[i + 2] + shift;
    }
  }
  return like(picture, recolored);
}

function mix(first: number, second: number, secondShare: number): number {
  return first * (1 - secondShare) + second * secondShare;
}

/** Bring a coordinate into [-1, size], where the framed picture is defined. */
function intoFrame(coordinate: number, size: number, fill: Fill): number {
  if (fill === "edge") return Math.min(Math.max(coordinate, 0), size - 1);
  if (fill === "reflect") {
    // A triangle wave of period 2 * size about the outer edges of the pixels.
    const period = 2 * size;
    const along = (((coordinate + 0.5) % period) + period) % period;
    return size - Math.abs(along - size) - 0.5;
  }
  return Math.min(Math.max(coordinate, -1), size);
}

/** Put a frame around a picture, one pixel before and two behind: what lies outside. */
function withFrame(picture: Picture, fill: Fill): Float32Array {
  const { height, width, pixels } = picture;
  const framed = new Float32Array((height + 3) * (width + 3) * CHANNELS);
  const outside = fill === "mean" ? meanColor(picture) : [0, 0, 0];
  const repeats = fill === "edge" || fill === "reflect";
  let target = 0;
  for (let row = -1; row < height + 2; row++) {
    const sourceRow = Math.min(Math.max(row, 0), height - 1);
    for (let column = -1; column < width + 2; column++) {
      const sourceColumn = Math.min(Math.max(column, 0), width - 1);
      const inside = repeats || (sourceRow === row && sourceColumn === column);
      const source = (sourceRow * width + sourceColumn) * CHANNELS;
      for (let channel = 0; channel < CHANNELS; channel++) {
        framed[target++] = inside ? pixels[source + channel] : outside[channel];
      }
    }
  }
  return framed;
}
