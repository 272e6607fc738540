/** The sliders of a learned family, and what its matrices do, in words. */

import { element, slider } from "./controls.ts";
import { colorsOf, lengthsOf, MIDDLE, placesOf, type Controls, type FamilyDescription } from "./learned.ts";
import { colorParts, spatialParts } from "./matrices.ts";
import type { Pack } from "./pack.ts";
import type { Transformation } from "./transformations.ts";
import { learnedWords } from "./words.ts";

const LETTERS = { alpha: "α", beta: "β" } as const;
const KINDS = ["alpha", "beta"] as const;

export class LearnedPanel {
  readonly box = element("fieldset", { className: "learned" });
  private readonly words = element("p");

  constructor(
    private readonly pack: Pack,
    private readonly changed: (controls: Controls | undefined) => void,
  ) {}

  /** Show the sliders of a family at given controls; without any the family is not asked for. */
  follow(family: FamilyDescription | null, controls: Controls | undefined): void {
    this.box.hidden = family === null;
    if (!family) return;
    const use = element("input", { type: "checkbox", checked: controls !== undefined });
    use.addEventListener("change", () => {
      const middle = (count: number): number[] => Array.from({ length: count }, () => MIDDLE);
      const { alpha, beta } = lengthsOf(family, this.pack);
      const given = use.checked ? { alpha: middle(alpha), beta: middle(beta) } : undefined;
      this.changed(given);
      this.follow(family, given);
      this.box.querySelector("input")?.focus();
    });
    const sliders = element("div", { className: "sliders" });
    this.box.replaceChildren(
      element("legend", {}, ["What an Invariant Transformer Net has learned"]),
      element("label", { className: "check" }, [
        use, `put the transformers before the network that learned from ${family.pictures} pictures to change as much as the answers allow`,
      ]),
      sliders, this.words,
    );
    this.say(family, controls);
    if (!controls) return;
    let now = controls;
    for (const kind of KINDS) {
      for (const [index, value] of controls[kind].entries()) {
        const each = slider(controlOf(kind, index), [0, 1], (moved) => {
          now = { ...now, [kind]: now[kind].map((other, i) => (i === index ? moved : other)) };
          this.say(family, now);
          this.changed(now);
        });
        each.show(value);
        sliders.append(each.box);
      }
    }
  }

  private say(family: FamilyDescription, controls: Controls | undefined): void {
    const { grayWeights, chroma } = this.pack.contents;
    this.words.textContent = controls
      ? learnedWords(
          spatialParts(placesOf(family, controls, this.pack)),
          colorParts(colorsOf(family, controls, this.pack), grayWeights, chroma),
        )
      : "";
  }
}

/** What a slider has to know of a control value. */
function controlOf(kind: (typeof KINDS)[number], index: number): Transformation {
  const subscript = String.fromCharCode(0x2081 + index);
  return {
    name: kind, title: `${LETTERS[kind]}${subscript}`,
    effect: `control value ${index + 1} of the ${kind === "alpha" ? "spatial" : "color"} transformer`,
    magnitude: "control value", unit: "", identity: MIDDLE, lower: 0, upper: 1, logarithmic: false, period: null,
  };
}
