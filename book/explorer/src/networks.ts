/** Networks as Keras describes them, computed by TensorFlow.js. */

import {
  add, concat, env, exp, fused, log, matMul, maxPool, mean, mul, pad, relu, reshape, setBackend,
  square, tensor, tidy, type Rank, type Tensor, type Tensor4D,
} from "@tensorflow/tfjs-core";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";

import type { ArrayNumber, NetworkDescription, Pack } from "./pack.ts";
import { CHANNELS, type Picture } from "./pictures.ts";

/** The weights of a layer: each a table's entry, times the factor of its output channel. */
interface Kernel {
  readonly codes: ArrayNumber;
  readonly table: ArrayNumber;
  readonly scale: ArrayNumber;
  readonly bias: ArrayNumber;
}

interface Windows {
  readonly stride: number;
  readonly padding: "same" | "valid";
}

export type LayerDescription = { readonly name: string; readonly inputs: readonly string[] } & (
  | ({ kind: "convolution"; groups: number; relu: boolean } & Kernel & Windows)
  | ({ kind: "dense"; relu: boolean } & Kernel)
  | ({ kind: "maximum"; size: number } & Windows)
  | { kind: "normalization"; size: number; alpha: number; beta: number; k: number }
  | { kind: "pad"; padding: [[number, number], [number, number]] }
  | { kind: "sum"; relu: boolean }
  | { kind: "concatenation" | "average" | "flat" }
);

type Layer = (inputs: Tensor[]) => Tensor;

/** Start the engine with its module from the pack, so that nothing is fetched from anywhere. */
export async function startEngine(pack: Pack): Promise<void> {
  const module = new Blob([pack.bytes(pack.contents.engine)], { type: "application/wasm" });
  const address = URL.createObjectURL(module);
  // Threads would need headers that no file has.
  env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  const modules = ["wasm", "simd.wasm", "threaded-simd.wasm"] as const;
  const names = modules.map((ending) =>
    ending === "wasm" ? "tfjs-backend-wasm.wasm" : (`tfjs-backend-wasm-${ending}` as const),
  );
  // All three have to be named; the one with SIMD is what runs.
  setWasmPaths(Object.fromEntries(names.map((name) => [name, address])), true);
  if (!(await setBackend("wasm"))) throw new Error("this browser runs no WebAssembly with SIMD");
  URL.revokeObjectURL(address);
}

export class Network {
  private readonly layers: { name: string; inputs: readonly string[]; run: Layer }[];
  private readonly preprocessed: Float32Array;

  constructor(
    readonly description: NetworkDescription,
    pack: Pack,
  ) {
    this.layers = description.layers.map((layer) => ({
      name: layer.name,
      inputs: layer.inputs,
      run: layerOf(layer, pack),
    }));
    this.preprocessed = new Float32Array(description.size ** 2 * CHANNELS);
  }

  /** What the network says of a picture: the softmax of each class. */
  async softmax(picture: Picture): Promise<Float32Array> {
    const logits = tidy(() => this.run(picture));
    const values = (await logits.data()) as Float32Array;
    logits.dispose();
    return softmaxOf(values);
  }

  private run(picture: Picture): Tensor {
    const { size, preprocessing } = this.description;
    preprocess(picture.pixels, preprocessing, this.preprocessed);
    const found = new Map<string, Tensor>([
      ["pictures", tensor(this.preprocessed, [1, size, size, CHANNELS])],
    ]);
    let last: Tensor | undefined;
    for (const { name, inputs, run } of this.layers) {
      last = run(
        inputs.map((input) => {
          const value = found.get(input);
          if (value === undefined) throw new Error(`${name} comes before ${input}`);
          return value;
        }),
      );
      found.set(name, last);
    }
    if (last === undefined) throw new Error(`${this.description.name} has no layers`);
    return last;
  }
}

export function softmaxOf(logits: Float32Array): Float32Array {
  const highest = logits.reduce((one, other) => Math.max(one, other));
  const shares = logits.map((logit) => Math.exp(logit - highest));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}

function preprocess(
  pixels: Float32Array, { matrix, offset }: NetworkDescription["preprocessing"], result: Float32Array,
): void {
  for (let i = 0; i < pixels.length; i += CHANNELS) {
    for (let channel = 0; channel < CHANNELS; channel++) {
      const [red, green, blue] = matrix[channel];
      result[i + channel] =
        red * pixels[i] + green * pixels[i + 1] + blue * pixels[i + 2] + offset[channel];
    }
  }
}

function layerOf(layer: LayerDescription, pack: Pack): Layer {
  switch (layer.kind) {
    case "convolution":
      return convolution(layer, pack);
    case "dense":
      return dense(layer, pack);
    case "maximum":
      return ([x]) => maxPool(x as Tensor4D, layer.size, layer.stride, layer.padding);
    case "normalization":
      return normalization(layer);
    case "pad": {
      const padding: [number, number][] = [[0, 0], ...layer.padding, [0, 0]];
      return ([x]) => pad(x, padding);
    }
    case "sum":
      return ([x, y]) => (layer.relu ? relu(add(x, y)) : add(x, y));
    case "concatenation":
      return (inputs) => concat(inputs, -1);
    case "average":
      return ([x]) => mean(x, [1, 2], true);
    case "flat":
      return ([x]) => reshape(x, [1, -1]);
  }
}

function convolution(
  layer: Extract<LayerDescription, { kind: "convolution" }>, pack: Pack,
): Layer {
  const shape = pack.shape(layer.codes);
  const values = weightsOf(layer, pack);
  const [height, width, inputs, outputs] = shape;
  const whole = layer.groups === 1 ? values : ungrouped(values, shape, layer.groups);
  const filter = tensor<Rank.R4>(whole, [height, width, inputs * layer.groups, outputs]);
  const bias = tensor(pack.floats(layer.bias).slice());
  const activation = layer.relu ? "relu" : "linear";
  return ([x]) =>
    fused.conv2d({
      x: x as Tensor4D, filter, strides: layer.stride, pad: layer.padding, bias, activation,
    });
}

function dense(layer: Extract<LayerDescription, { kind: "dense" }>, pack: Pack): Layer {
  const b = tensor<Rank.R2>(weightsOf(layer, pack), pack.shape(layer.codes) as [number, number]);
  const bias = tensor(pack.floats(layer.bias).slice());
  const activation = layer.relu ? "relu" : "linear";
  return ([x]) => fused.matMul({ a: x, b, bias, activation });
}

/** Divide each value by the energy of its neighbor channels. */
function normalization(layer: Extract<LayerDescription, { kind: "normalization" }>): Layer {
  return ([x]) => {
    const channels = x.shape[x.rank - 1];
    const near = tensor<Rank.R2>(
      Float32Array.from({ length: channels ** 2 }, (_, i) =>
        Math.abs(Math.floor(i / channels) - (i % channels)) <= layer.size / 2
          ? layer.alpha / layer.size
          : 0,
      ),
      [channels, channels],
    );
    const energy = reshape(matMul(reshape(square(x), [-1, channels]), near), x.shape);
    return mul(x, exp(mul(-layer.beta, log(add(layer.k, energy)))));
  };
}

function weightsOf(layer: Kernel, pack: Pack): Float32Array {
  const codes = pack.bytes(layer.codes);
  const [table, scale] = [pack.floats(layer.table), pack.floats(layer.scale)];
  return Float32Array.from(codes, (code, i) => table[code] * scale[i % scale.length]);
}

/** Write the kernel of groups as one of all channels, with zeros between the groups. */
function ungrouped(values: Float32Array, shape: readonly number[], groups: number): Float32Array {
  const [height, width, inputs, outputs] = shape;
  const whole = new Float32Array(values.length * groups);
  const perGroup = outputs / groups;
  for (let place = 0; place < height * width; place++) {
    for (let input = 0; input < inputs; input++) {
      for (let output = 0; output < outputs; output++) {
        const group = Math.floor(output / perGroup);
        const row = place * inputs * groups + group * inputs + input;
        whole[row * outputs + output] = values[(place * inputs + input) * outputs + output];
      }
    }
  }
  return whole;
}
