/** What affine and color matrices do, as `itn.study.matrices` takes them apart. */

import type { AffineMatrix, ColorMatrix } from "./warp.ts";

const degrees = (y: number, x: number): number => (Math.atan2(y, x) * 180) / Math.PI;

export interface SpatialParts {
  readonly rotation: number; // degrees counter-clockwise
  readonly scaleX: number;
  readonly scaleY: number;
  readonly shear: number;
  readonly shiftX: number; // widths to the right
  readonly shiftY: number; // heights down
}

/** What a matrix of places, in coordinates from -1 to 1, does to the content: the inverse of it. */
export function spatialParts([[a, b, right], [c, d, down]]: AffineMatrix): SpatialParts {
  const determinant = a * d - b * c;
  const [e, f, g, h] = [d, -b, -c, a].map((entry) => entry / determinant);
  const scaleX = Math.hypot(e, g);
  const [cos, sin] = [e / scaleX, -g / scaleX];
  const scaleY = (e * h - f * g) / scaleX;
  return {
    rotation: degrees(sin, cos),
    scaleX,
    scaleY,
    shear: (cos * f - sin * h) / scaleY,
    shiftX: -(e * right + f * down) / 2,
    shiftY: -(g * right + h * down) / 2,
  };
}

export interface ColorParts {
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
  readonly hue: number; // degrees
}

/**
 * What a matrix of colors does to luminance, and to the plane of colors without it.
 *
 * `chroma` [3, 2] is an orthonormal basis of that plane.
 */
export function colorParts(
  matrix: ColorMatrix, grayWeights: readonly number[], chroma: readonly (readonly number[])[],
): ColorParts {
  const total = grayWeights.reduce((sum, weight) => sum + weight, 0);
  const weigh = (values: readonly number[]): number =>
    values.reduce((sum, value, i) => sum + (value * grayWeights[i]) / total, 0);
  const contrast = weigh(matrix.map(([red, green, blue]) => red + green + blue));
  // What becomes of each basis vector, without its luminance, along each basis vector.
  const inner = [0, 1].map((from) => {
    const colors = matrix.map(([red, green, blue]) =>
      red * chroma[0][from] + green * chroma[1][from] + blue * chroma[2][from],
    );
    const luminance = weigh(colors);
    return [0, 1].map((to) =>
      colors.reduce((sum, value, i) => sum + chroma[i][to] * (value - luminance), 0),
    );
  });
  const [real, imaginary] = [inner[0][0] + inner[1][1], inner[0][1] - inner[1][0]];
  return {
    brightness: weigh(matrix.map((row) => row[3])),
    contrast,
    saturation: Math.hypot(real, imaginary) / 2 / contrast,
    hue: degrees(imaginary, real),
  };
}
