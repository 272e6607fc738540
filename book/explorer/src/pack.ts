/** The file that the page brings with it: networks, pictures, classes and curves. */

import type { FamilyDescription } from "./learned.ts";
import type { LayerDescription } from "./networks.ts";
import { unrolled } from "./thresholds.ts";
import type { Transformation } from "./transformations.ts";
import type { Fill } from "./warp.ts";

/** Where an array lies: the n-th of the file. */
export type ArrayNumber = number;

export interface NetworkDescription {
  readonly name: string;
  readonly title: string;
  readonly size: number; // pixels of a side
  readonly classes: readonly string[]; // as a reader wants to see them, one for each logit
  readonly phantom: boolean; // whether it knows the rendered objects, and nothing else
  readonly taught: string; // what it has learned from
  readonly knows: Readonly<Record<string, readonly string[]>>; // by picture, the classes that are right
  readonly preprocessing: { readonly matrix: readonly number[][]; readonly offset: readonly number[] };
  readonly layers: readonly LayerDescription[];
  readonly deviation: number; // of the softmax, by rounded weights
  readonly fill: Fill; // that its curves were made with
  readonly curves: Readonly<Record<string, CurvesDescription>>; // by transformation
  readonly family: FamilyDescription | null;
}

/** Archived curves of classes over a sweep. */
interface CurvesDescription {
  readonly targets: readonly number[]; // the class of each
  readonly pictures: readonly number[];
  readonly values: ArrayNumber; // [classes, 3, magnitudes]: mean, low, high; 255 is a softmax of 1
}

/** The mean softmax of a class's pictures, and its 95 % interval, along an unrolled sweep. */
export interface ClassCurve {
  readonly mean: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly pictures: number;
}

export interface SamplePicture {
  readonly name: string;
  readonly title: string;
  readonly phantom: boolean;
  readonly pixels: Readonly<Record<string, ArrayNumber>>; // by pixels of a side
}

export interface Contents {
  readonly transformations: readonly Transformation[];
  readonly sweeps: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
  readonly grayWeights: readonly [number, number, number];
  readonly chroma: readonly (readonly number[])[]; // [3, 2], colors without luminance
  readonly networks: readonly NetworkDescription[];
  readonly pictures: readonly SamplePicture[];
  readonly engine: ArrayNumber; // the wasm module
  readonly arrays: readonly { type: keyof typeof TYPES; shape: number[]; start: number }[];
}

const TYPES = { float32: Float32Array, uint8: Uint8Array };

export class Pack {
  private constructor(
    readonly contents: Contents,
    private readonly buffer: ArrayBuffer,
    private readonly first: number, // where the arrays begin
  ) {}

  /** Unpack the file; it begins with the length of its table of contents. */
  static async open(packed: Uint8Array<ArrayBuffer>): Promise<Pack> {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const buffer = await new Response(stream).arrayBuffer();
    const length = new DataView(buffer).getUint32(0, true);
    const text = new TextDecoder().decode(new Uint8Array(buffer, 4, length));
    return new Pack(JSON.parse(text) as Contents, buffer, 4 + length);
  }

  /** The archived curve of a class under a transformation, where there is one. */
  curve(
    network: NetworkDescription, transformation: Transformation, target: number,
  ): ClassCurve | undefined {
    const curves = network.curves[transformation.name] as CurvesDescription | undefined;
    const which = curves?.targets.indexOf(target) ?? -1;
    if (!curves || which < 0) return undefined;
    const [, kinds, length] = this.shape(curves.values);
    const { order } = unrolled(this.contents.sweeps[network.size][transformation.name], transformation);
    const values = this.bytes(curves.values);
    const [mean, low, high] = [0, 1, 2].map((kind) =>
      order.map((i) => values[(which * kinds + kind) * length + i] / 255),
    );
    return { mean, low, high, pictures: curves.pictures[which] };
  }

  floats(number: ArrayNumber): Float32Array {
    return this.array(number, "float32") as Float32Array;
  }

  bytes(number: ArrayNumber): Uint8Array<ArrayBuffer> {
    return this.array(number, "uint8") as Uint8Array<ArrayBuffer>;
  }

  shape(number: ArrayNumber): number[] {
    return this.contents.arrays[number].shape;
  }

  private array(number: ArrayNumber, type: keyof typeof TYPES): Float32Array | Uint8Array {
    const found = this.contents.arrays[number];
    if (found.type !== type) throw new TypeError(`array ${number} holds ${found.type}`);
    const length = found.shape.reduce((product, size) => product * size, 1);
    return new TYPES[type](this.buffer, this.first + found.start, length);
  }
}
