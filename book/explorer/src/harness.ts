/** What tests ask of the page's modules: bytes in, bytes out. */

import bytes from "packed";

import { colorsOf, inPixels, placesOf, type Controls } from "./learned.ts";
import { colorParts, spatialParts } from "./matrices.ts";
import { Network, startEngine } from "./networks.ts";
import { Pack } from "./pack.ts";
import { fromBytes } from "./pictures.ts";
import { Sweep } from "./sweep.ts";
import { transformed, type Learned, type Magnitudes } from "./transformations.ts";
import type { Fill } from "./warp.ts";

interface Case {
  readonly network: string;
  readonly picture: string; // bytes, as base64
  readonly magnitudes: Magnitudes;
  readonly fill: Fill;
  readonly clip: boolean;
  readonly seeds: number[];
  readonly controls?: Controls;
}

const networks = new Map<string, Network>();
const started = (async () => {
  const pack = await Pack.open(bytes);
  await startEngine(pack);
  return pack;
})();

const decoded = (text: string): Uint8Array =>
  Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

const encoded = (values: Float32Array): string => {
  let text = "";
  for (const byte of new Uint8Array(values.buffer)) text += String.fromCharCode(byte);
  return btoa(text);
};

async function networkOf(name: string): Promise<{ network: Network; pack: Pack }> {
  const pack = await started;
  const description = pack.contents.networks.find((each) => each.name === name);
  if (!description) throw new Error(`no network ${name}`);
  const network = networks.get(name) ?? new Network(description, pack);
  networks.set(name, network);
  return { network, pack };
}

function matricesOf(network: Network, controls: Controls | undefined, pack: Pack): Learned | undefined {
  const { family, size } = network.description;
  if (!controls || !family) return undefined;
  return {
    places: inPixels(placesOf(family, controls, pack), size), colors: colorsOf(family, controls, pack),
  };
}

/** Transform a picture and ask a network what it says, as often as is wanted. */
async function ask(asked: Case, times = 1): Promise<{ pixels: string; softmax: string }> {
  const { network, pack } = await networkOf(asked.network);
  const { size } = network.description;
  const picture = fromBytes(decoded(asked.picture), size, size);
  const learned = matricesOf(network, asked.controls, pack);
  const options = { ...asked, grayWeights: pack.contents.grayWeights, learned };
  for (let i = 1; i < times; i++) await network.softmax(transformed(picture, asked.magnitudes, options));
  const shown = transformed(picture, asked.magnitudes, options);
  const softmax = await network.softmax(shown);
  return { pixels: encoded(shown.pixels), softmax: encoded(softmax) };
}

/** What a family makes of controls, and what its matrices do. */
async function family(name: string, controls: Controls): Promise<object> {
  const { network, pack } = await networkOf(name);
  const { family } = network.description;
  if (!family) throw new Error(`${name} has no family`);
  const { grayWeights, chroma } = pack.contents;
  const places = placesOf(family, controls, pack);
  const colors = colorsOf(family, controls, pack);
  return {
    places, colors, spatial: spatialParts(places), color: colorParts(colors, grayWeights, chroma),
  };
}

/** Sweep over softmax values that are given, one row for each magnitude, in the order asked for. */
async function swept(
  name: string, magnitudes: number[], rows: number[][], target: number,
): Promise<object> {
  const { contents } = await started;
  const transformation = contents.transformations.find((each) => each.name === name);
  if (!transformation) throw new Error(`no transformation ${name}`);
  const sweep = new Sweep(transformation, magnitudes, target);
  const asked: number[] = [];
  await sweep.run(
    (magnitude) => {
      asked.push(magnitude);
      const { period } = transformation;
      const at = magnitudes.findIndex((each) =>
        period === null ? each === magnitude : (each - magnitude) % period === 0,
      );
      return Promise.resolve(Float32Array.from(rows[at]));
    },
    () => Promise.resolve(true),
  );
  return { asked, losses: sweep.losses() };
}

Object.assign(globalThis, { ask, family, swept });
