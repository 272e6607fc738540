/** Starts the page, or says in one line why it does not. */

import bytes from "packed";

import { startEngine } from "./networks.ts";
import { Pack } from "./pack.ts";
import { Page } from "./page.ts";
import styles from "./page.css";

async function start(root: HTMLElement): Promise<void> {
  document.head.append(Object.assign(document.createElement("style"), { textContent: styles }));
  try {
    const pack = await Pack.open(bytes);
    await startEngine(pack);
    new Page(root, pack);
  } catch (error) {
    const missing = root.querySelector(".explorer-missing");
    if (!missing) return;
    const reason = error instanceof Error ? error.message : String(error);
    missing.textContent = `The network does not run here: ${reason}.`;
    missing.classList.add("shown");
  }
}

const root = document.getElementById("explorer");
if (root) void start(root);
