/** What is shown, as the part of the address behind #, so that it can be sent to somebody. */

import type { Contents } from "./pack.ts";
import type { Magnitudes } from "./transformations.ts";
import { FILLS, type Fill } from "./warp.ts";

export interface View {
  readonly network: string;
  readonly picture: string; // of those that the page brings
  readonly magnitudes: Magnitudes; // only what is not at its identity
  readonly fill: Fill;
  readonly clip: boolean;
}

/** Write a view; what is as usual is left out. */
export function toAddress(view: View): string {
  const parts = new URLSearchParams({ network: view.network, picture: view.picture });
  for (const [name, magnitude] of Object.entries(view.magnitudes)) {
    parts.set(name, String(magnitude));
  }
  if (view.fill !== "zeros") parts.set("fill", view.fill);
  if (view.clip) parts.set("clip", "true");
  return `#${parts.toString()}`;
}

/** Read a view; what is missing or not possible is as usual. */
export function fromAddress(address: string, contents: Contents): View {
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
  return { network: network.name, picture: picture.name, magnitudes, fill, clip: parts.get("clip") === "true" };
}

/** The ends of a slider: those of the sweep, but turns go to both sides. */
export function ends(name: string, sweep: readonly number[]): [number, number] {
  return name === "rotation" ? [-180, 180] : [sweep[0], sweep[sweep.length - 1]];
}
