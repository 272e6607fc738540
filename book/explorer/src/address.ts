/** What is shown, as the part of the address behind #, so that it can be sent to somebody. */

import { lengthsOf, type Controls } from "./learned.ts";
import type { Pack } from "./pack.ts";
import type { Magnitudes } from "./transformations.ts";
import { FILLS, type Fill } from "./warp.ts";

export interface View {
  readonly network: string;
  readonly picture: string; // of those that the page brings
  readonly magnitudes: Magnitudes; // only what is not at its identity
  readonly fill: Fill;
  readonly clip: boolean;
  readonly learned: Controls | undefined; // of the family of the network, where it is asked for
}

/** Write a view; what is as usual is left out. */
export function toAddress(view: View): string {
  const parts = new URLSearchParams({ network: view.network, picture: view.picture });
  for (const [name, magnitude] of Object.entries(view.magnitudes)) {
    parts.set(name, String(magnitude));
  }
  if (view.fill !== "zeros") parts.set("fill", view.fill);
  if (view.clip) parts.set("clip", "true");
  for (const [name, values] of Object.entries(view.learned ?? {})) {
    parts.set(name, (values as readonly number[]).join("_"));
  }
  return `#${parts.toString()}`;
}

/** Read a view; what is missing or not possible is as usual. */
export function fromAddress(address: string, pack: Pack): View {
  const { contents } = pack;
  const parts = new URLSearchParams(address.replace(/^#/, ""));
  const network = contents.networks.find(({ name }) => name === parts.get("network")) ?? contents.networks[0];
  const fitting = contents.pictures.filter((picture) => picture.phantom === network.phantom);
  const picture = fitting.find(({ name }) => name === parts.get("picture")) ?? fitting[0];
  const magnitudes: Record<string, number> = {};
  for (const { name, identity } of contents.transformations) {
    const text = parts.get(name);
    const sweep = contents.sweeps[network.size][name];
    const [first, last] = ends(name, sweep);
    const given = Number(text);
    if (text !== null && text !== "" && given >= first && given <= last && given !== identity) {
      magnitudes[name] = given;
    }
  }
  const fill = FILLS.find((name) => name === parts.get("fill")) ?? "zeros";
  let learned: Controls | undefined;
  if (network.family) {
    const lengths = lengthsOf(network.family, pack);
    const [alpha, beta] = (["alpha", "beta"] as const).map((name) =>
      controlsOf(parts.get(name), lengths[name]),
    );
    if (alpha && beta) learned = { alpha, beta };
  }
  const clip = parts.get("clip") === "true";
  return { network: network.name, picture: picture.name, magnitudes, fill, clip, learned };
}

/** Read so many numbers from 0 to 1; undefined for anything else. */
function controlsOf(text: string | null, length: number): number[] | undefined {
  const values = (text ?? "").split("_").map((part) => (part === "" ? NaN : Number(part)));
  return values.length === length && values.every((value) => value >= 0 && value <= 1)
    ? values
    : undefined;
}

/** The ends of a slider: those of the sweep, but turns go to both sides. */
export function ends(name: string, sweep: readonly number[]): [number, number] {
  return name === "rotation" ? [-180, 180] : [sweep[0], sweep[sweep.length - 1]];
}
