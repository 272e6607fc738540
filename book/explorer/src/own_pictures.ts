/** A picture of the reader's own, which never leaves the page; read as `itn.picture_files` does. */

import { CHANNELS, fromBytes, type Picture } from "./pictures.ts";

const SHORTER_SIDE_PER_SIZE = 256 / 227;
const MOST_PIXELS = 89_478_485; // as Pillow has it
const STRIP = 256; // rows that are decoded at a time

/** An image of which the browser has read as much as its size. */
export async function openImage(file: Blob): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
  } catch {
    throw new Error("this file is no picture that the browser can read");
  } finally {
    URL.revokeObjectURL(image.src);
  }
  const { naturalWidth: width, naturalHeight: height } = image;
  if (width * height === 0) throw new Error("this picture has no size of its own");
  if (width * height > MOST_PIXELS) {
    throw new Error(`${width} × ${height} pixels are more than the page can take, ${MOST_PIXELS}`);
  }
  return image;
}

/** Shrink the shorter side of a picture, bilinearly, and cut out the middle. */
export function readImage(image: HTMLImageElement, size: number): Picture {
  const { naturalWidth: width, naturalHeight: height } = image;
  const shorter = Math.round(size * SHORTER_SIDE_PER_SIZE);
  const longer = Math.round((shorter * Math.max(width, height)) / Math.min(width, height));
  const [newWidth, newHeight] = width <= height ? [shorter, longer] : [longer, shorter];
  const across = shares(width, newWidth);
  const columns = across.slice((newWidth - size) >> 1, ((newWidth - size) >> 1) + size);
  const rows = shares(height, newHeight);
  const narrow = new Uint8Array(height * size * CHANNELS);
  for (let top = 0; top < height; top += STRIP) {
    const count = Math.min(STRIP, height - top);
    const strip = pixelsOf(image, top, count);
    for (let row = 0; row < count; row++) {
      for (let column = 0; column < size; column++) {
        const { first, weights } = columns[column];
        for (let channel = 0; channel < CHANNELS; channel++) {
          const from = (row * width + first) * 4 + channel;
          const sum = weights.reduce((sum, weight, i) => sum + weight * strip[from + 4 * i], 0);
          narrow[((top + row) * size + column) * CHANNELS + channel] = Math.round(sum);
        }
      }
    }
  }
  const bytes = new Uint8Array(size * size * CHANNELS);
  const length = size * CHANNELS;
  for (let row = 0; row < size; row++) {
    const { first, weights } = rows[((newHeight - size) >> 1) + row];
    for (let i = 0; i < length; i++) {
      const sum = weights.reduce((sum, weight, k) => sum + weight * narrow[(first + k) * length + i], 0);
      bytes[row * length + i] = Math.round(sum);
    }
  }
  return fromBytes(bytes, size, size);
}

/** Of which old pixels, by which weights, each new pixel of a row is made. */
function shares(length: number, newLength: number): { first: number; weights: number[] }[] {
  const scale = length / newLength;
  const reach = Math.max(scale, 1); // pixels that are as large as the coarser of both
  return Array.from({ length: newLength }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(Math.trunc(center - reach + 0.5), 0);
    const last = Math.min(Math.trunc(center + reach + 0.5), length);
    const weights = Array.from({ length: last - first }, (_, k) =>
      Math.max(1 - Math.abs((first + k + 0.5 - center) / reach), 0),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}

/** Decode some rows; what is transparent is laid over black. */
function pixelsOf(image: HTMLImageElement, top: number, count: number): Uint8ClampedArray {
  const canvas = new OffscreenCanvas(image.naturalWidth, count);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser cannot read the pixels of a picture");
  context.fillRect(0, 0, canvas.width, count);
  context.drawImage(image, 0, -top);
  return context.getImageData(0, 0, canvas.width, count).data;
}
