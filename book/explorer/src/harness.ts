/** What tests ask of the page's modules: bytes in, bytes out. */

import bytes from "packed";

import { Network, startEngine } from "./networks.ts";
import { Pack } from "./pack.ts";
import { fromBytes } from "./pictures.ts";
import { transformed, type Magnitudes } from "./transformations.ts";
import type { Fill } from "./warp.ts";

interface Case {
  readonly network: string;
  readonly picture: string; // bytes, as base64
  readonly magnitudes: Magnitudes;
  readonly fill: Fill;
  readonly clip: boolean;
  readonly seeds: number[];
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

/** Transform a picture and ask a network what it says; tells how long the second time took. */
async function ask(asked: Case): Promise<{ pixels: string; softmax: string; milliseconds: number }> {
  const pack = await started;
  const description = pack.contents.networks.find(({ name }) => name === asked.network);
  if (!description) throw new Error(`no network ${asked.network}`);
  const network = networks.get(asked.network) ?? new Network(description, pack);
  networks.set(asked.network, network);
  const picture = fromBytes(decoded(asked.picture), description.size, description.size);
  const options = { ...asked, grayWeights: pack.contents.grayWeights };
  await network.softmax(transformed(picture, asked.magnitudes, options));
  const before = performance.now();
  const shown = transformed(picture, asked.magnitudes, options);
  const softmax = await network.softmax(shown);
  const milliseconds = performance.now() - before;
  return { pixels: encoded(shown.pixels), softmax: encoded(softmax), milliseconds };
}

Object.assign(globalThis, { ask });
