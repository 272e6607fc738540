/** A picture as everywhere outside a network: RGB in [0, 1], row by row, channels last. */
export interface Picture {
  readonly height: number;
  readonly width: number;
  readonly pixels: Float32Array;
}

export const CHANNELS = 3;

/** Make a picture of the size of another. */
export function like(picture: Picture, pixels: Float32Array): Picture {
  return { height: picture.height, width: picture.width, pixels };
}

/** Make a picture of bytes. */
export function fromBytes(bytes: Uint8Array, height: number, width: number): Picture {
  return { height, width, pixels: Float32Array.from(bytes, (value) => value / 255) };
}

/**
 * Make a picture of what is packed of it: by how much each pixel differs from its left neighbor,
 * of red and blue less green; modulo 256, as bytes are.
 */
export function fromDifferences(differences: Uint8Array, height: number, width: number): Picture {
  const bytes = differences.slice();
  const rowLength = width * CHANNELS;
  for (let i = 0; i < bytes.length; i++) {
    if (i % rowLength >= CHANNELS) bytes[i] += bytes[i - CHANNELS];
  }
  for (let i = 0; i < bytes.length; i += CHANNELS) {
    bytes[i] += bytes[i + 1];
    bytes[i + 2] += bytes[i + 1];
  }
  return fromBytes(bytes, height, width);
}

/** The mean of each channel. */
export function meanColor(picture: Picture): [number, number, number] {
  const sums: [number, number, number] = [0, 0, 0];
  const { pixels } = picture;
  for (let i = 0; i < pixels.length; i += CHANNELS) {
    sums[0] += pixels[i];
    sums[1] += pixels[i + 1];
    sums[2] += pixels[i + 2];
  }
  const count = pixels.length / CHANNELS;
  return [sums[0] / count, sums[1] / count, sums[2] / count];
}

/** Write a picture into what a canvas shows; values beyond [0, 1] are cut off there. */
export function toImageData(picture: Picture): ImageData {
  const { height, width, pixels } = picture;
  const image = new ImageData(width, height);
  for (let i = 0, k = 0; i < pixels.length; i += CHANNELS, k += 4) {
    // An array of clamped bytes rounds and cuts off by itself.
    image.data[k] = 255 * pixels[i];
    image.data[k + 1] = 255 * pixels[i + 1];
    image.data[k + 2] = 255 * pixels[i + 2];
    image.data[k + 3] = 255;
  }
  return image;
}
