/** The page: what is chosen, what is shown of it, and what the network says. */

import { fromAddress, toAddress, type View } from "./address.ts";
import { choice, element, slider, type Slider } from "./controls.ts";
import { colorsOf, inPixels, placesOf } from "./learned.ts";
import { LearnedPanel } from "./learned_panel.ts";
import { Network } from "./networks.ts";
import { openImage, readImage } from "./own_pictures.ts";
import type { Pack, SamplePicture } from "./pack.ts";
import { fromDifferences, toImageData, type Picture } from "./pictures.ts";
import { SweepPanel, type Swept } from "./sweep_panel.ts";
import { transformed, without, type Learned, type Transformation } from "./transformations.ts";
import { FILLS, type Fill } from "./warp.ts";
import { bestFew, bestOf, fitWords, percent, pythonLine, verdict } from "./words.ts";

const SHOWN = 5; // classes
const OWN = "your own"; // what the choice of pictures calls it
const QUIET = 400; // milliseconds without a move, after which a screen reader is told
const FILL_TITLES: Record<Fill, string> = {
  zeros: "black", edge: "the nearest pixel", reflect: "the mirror image", mean: "the mean color",
};

export class Page {
  private view: View;
  private own: { name: string; image: HTMLImageElement } | undefined;
  private read: { key: string; picture: Picture } | undefined; // the last one, as reading takes time
  private readonly networks = new Map<string, Network>();
  private readonly untouched = new Map<string, Promise<Float32Array>>();
  private sliders = new Map<string, Slider>();
  private drawn: Picture | undefined; // as it is
  private waiting = false;
  private busy = false;
  private told: ReturnType<typeof setTimeout> | undefined;

  private readonly before = element("canvas", { role: "img" });
  private readonly after = element("canvas", { role: "img" });
  private readonly answers = element("ol");
  private readonly fit = element("p", { className: "fit", id: "explorer-fit" });
  private readonly sentence = element("p", { className: "verdict" });
  private readonly live = element("p", { className: "visually-hidden", role: "status" });
  private readonly refused = element("p", { className: "refused", role: "alert" });
  private readonly code = element("code");
  private readonly rounding = element("p");
  private readonly sliderBox = element("div", { className: "sliders" });
  private readonly network: ReturnType<typeof choice>;
  private readonly picture: ReturnType<typeof choice>;
  private readonly fill: ReturnType<typeof choice>;
  private readonly clip = element("input", { type: "checkbox" });
  private readonly sweep: SweepPanel;
  private readonly learned: LearnedPanel;

  constructor(
    private readonly root: HTMLElement,
    private readonly pack: Pack,
  ) {
    const { contents } = pack;
    this.view = fromAddress(location.hash, pack);
    this.sweep = new SweepPanel(
      contents.transformations, (each) => this.swept(each), (error) => { this.refuse("computed", error); },
    );
    this.learned = new LearnedPanel(pack, (learned) => { this.change({ learned }); });
    this.network = choice(
      "Network", contents.networks.map(({ name, title }) => [name, title]),
      (network) => { this.chooseNetwork(network); },
    );
    this.picture = choice("Picture", [], (picture) => { this.choosePicture(picture); });
    this.fill = choice(
      "Outside the picture lies", FILLS.map((name) => [name, FILL_TITLES[name]]),
      (fill) => { this.change({ fill: fill as Fill }); },
    );
    this.clip.addEventListener("change", () => { this.change({ clip: this.clip.checked }); });
    this.picture.select.setAttribute("aria-describedby", this.fit.id);
    this.lay();
    this.follow();
    addEventListener("hashchange", () => {
      if (location.hash === toAddress(this.view)) return;
      this.view = fromAddress(location.hash, pack);
      this.follow();
    });
  }

  /** Put all parts into the page. */
  private lay(): void {
    const file = element("input", { type: "file", accept: "image/*" });
    file.addEventListener("change", () => { void this.take(file.files?.[0]); });
    const reset = element("button", { type: "button" }, ["Back to the picture as it is"]);
    reset.addEventListener("click", () => {
      this.view = { ...this.view, magnitudes: {}, clip: false, learned: undefined };
      this.follow();
    });
    const copy = element("button", { type: "button" }, ["Copy"]);
    copy.addEventListener("click", () => { void navigator.clipboard.writeText(this.code.textContent); });
    const captioned = (canvas: HTMLCanvasElement, caption: string): HTMLElement =>
      element("figure", {}, [canvas, element("figcaption", {}, [caption])]);
    const board = element("div", { className: "explorer-board" }, [
      element("div", { className: "choices" }, [
        this.network.box, this.picture.box,
        element("label", { className: "choice" }, ["Your own picture; it stays in this page", file]),
      ]),
      this.refused, this.fit,
      element("div", { className: "pictures" }, [
        captioned(this.before, "as it is"), captioned(this.after, "as the network sees it"),
        element("div", { className: "answers" }, [
          element("p", {}, ["The five classes that come highest, and their softmax:"]), this.answers,
        ]),
      ]),
      this.sentence, this.live, this.sliderBox,
      element("div", { className: "choices" }, [
        this.fill.box,
        element("label", { className: "check" }, [this.clip, "cut values off at black and white"]),
        reset,
      ]),
      this.sweep.box, this.learned.box,
      element("div", { className: "line" }, [this.code, copy]), this.rounding,
    ]);
    board.addEventListener("dragover", (event) => {
      event.preventDefault();
      board.classList.add("dropping");
    });
    board.addEventListener("dragleave", () => { board.classList.remove("dropping"); });
    board.addEventListener("drop", (event) => {
      event.preventDefault();
      board.classList.remove("dropping");
      void this.take(event.dataTransfer?.files[0]);
    });
    this.root.append(board);
  }

  /** Show a view in all controls, and what comes of it. */
  private follow(): void {
    const { contents } = this.pack;
    const { size, phantom } = this.description();
    const pictures = contents.pictures.filter((picture) => picture.phantom === phantom);
    const options = pictures.map(({ name, title }) => element("option", { value: name }, [title]));
    if (this.own) options.push(element("option", { value: OWN }, [this.own.name]));
    this.picture.select.replaceChildren(...options);
    this.network.select.value = this.view.network;
    this.picture.select.value = this.own ? OWN : this.view.picture;
    this.fill.select.value = this.view.fill;
    this.clip.checked = this.view.clip;
    this.learned.follow(this.description().family, this.view.learned);
    this.sliders = new Map(
      contents.transformations.map((each) => [
        each.name,
        slider(each, contents.sweeps[size][each.name], (magnitude) => { this.move(each.name, magnitude); }),
      ]),
    );
    for (const { name, identity } of contents.transformations) {
      this.sliders.get(name)?.show(this.view.magnitudes[name] ?? identity);
    }
    for (const name of Object.keys(this.view.magnitudes)) this.sweep.choose(name);
    this.sliderBox.replaceChildren(...Array.from(this.sliders.values(), ({ box }) => box));
    this.update();
  }

  private chooseNetwork(network: string): void {
    const { picture, ...view } = this.view;
    // What does not fit the other network, a picture or a blur, is as usual.
    this.view = fromAddress(toAddress({ ...view, network, picture }), this.pack);
    this.follow();
  }

  private choosePicture(picture: string): void {
    if (picture === OWN) return;
    this.own = undefined;
    this.view = { ...this.view, picture };
    this.follow();
  }

  private async take(file: Blob | undefined): Promise<void> {
    if (!file) return;
    this.refused.textContent = "";
    try {
      const image = await openImage(file);
      readImage(image, this.description().size);
      this.own = { name: file instanceof File ? file.name : OWN, image };
      for (const key of this.untouched.keys()) if (key.endsWith(OWN)) this.untouched.delete(key);
      this.read = undefined;
      this.follow();
    } catch (error) {
      this.refuse("read", error);
    }
  }

  private refuse(what: string, error: unknown): void {
    this.refused.textContent = `Not ${what}: ${error instanceof Error ? error.message : String(error)}.`;
  }

  private move(name: string, magnitude: number): void {
    const rest = without(this.view.magnitudes, name);
    const each = this.pack.contents.transformations.find((one) => one.name === name);
    this.sweep.choose(name);
    this.change({ magnitudes: magnitude === each?.identity ? rest : { ...rest, [name]: magnitude } });
  }

  private change(part: Partial<View>): void {
    this.view = { ...this.view, ...part };
    this.update();
  }

  private description(): Network["description"] {
    const found = this.pack.contents.networks.find(({ name }) => name === this.view.network);
    if (!found) throw new Error(`no network ${this.view.network}`);
    return found;
  }

  /** Show what is asked for last; what was asked for meanwhile is passed over. */
  private update(): void {
    this.waiting = true;
    if (this.busy) return;
    this.busy = true;
    void (async () => {
      try {
        while (this.waiting) {
          this.waiting = false;
          await this.show();
        }
      } catch (error) {
        this.refuse("computed", error);
      } finally {
        this.busy = false;
      }
    })();
  }

  private async show(): Promise<void> {
    const { view } = this;
    const description = this.description();
    const picture = this.chosen(description.size);
    const shown = this.transformed(picture, view);
    if (this.drawn !== picture) draw(this.before, picture, this.pictureTitle());
    this.drawn = picture;
    draw(this.after, shown, `${this.pictureTitle()}, transformed`);
    const before = await this.asItIs(picture);
    const now = await this.chosenNetwork().softmax(shown);
    this.answer(view, description.classes, before, now);
    history.replaceState(null, "", toAddress(view));
    this.fit.textContent = fitWords(description, this.own ? undefined : view.picture);
    this.code.textContent = pythonLine(view, this.own?.name);
    this.rounding.textContent = description.deviation === 0
      ? "The weights are those that were published."
      : `Its weights are rounded, which changes the softmax of these photographs by at most ${description.deviation.toFixed(3)}.`;
    this.sweep.follow(view, this.pictureName());
    this.root.dataset.shown = toAddress(view);
  }

  private chosenNetwork(): Network {
    const made = this.networks.get(this.view.network) ?? new Network(this.description(), this.pack);
    this.networks.set(this.view.network, made);
    return made;
  }

  private transformed(picture: Picture, view: View): Picture {
    const { grayWeights } = this.pack.contents;
    const options = { ...view, seeds: [0, 0], grayWeights, learned: this.matrices(view) };
    return transformed(picture, view.magnitudes, options);
  }

  private matrices({ learned }: View): Learned | undefined {
    const { family, size } = this.description();
    if (!family || !learned) return undefined;
    return {
      places: inPixels(placesOf(family, learned, this.pack), size),
      colors: colorsOf(family, learned, this.pack),
    };
  }

  /** What the network says of the picture that was chosen, untouched. */
  private asItIs(picture: Picture): Promise<Float32Array> {
    const key = `${this.view.network}/${this.pictureName()}`;
    const untouched = this.untouched.get(key) ?? this.chosenNetwork().softmax(picture);
    this.untouched.set(key, untouched);
    return untouched;
  }

  private pictureName(): string {
    return this.own ? OWN : this.view.picture;
  }

  /** Say what a sweep of a transformation has to know, with all else as it is now. */
  private async swept(transformation: Transformation): Promise<Swept> {
    const { view } = this;
    const { contents } = this.pack;
    const description = this.description();
    const picture = this.chosen(description.size);
    const network = this.chosenNetwork();
    const target = bestOf(await this.asItIs(picture));
    const { name, identity } = transformation;
    const rest = without(view.magnitudes, name);
    // An archived curve is of nothing else.
    const alone = Object.keys(rest).length === 0 && !view.clip && !view.learned && view.fill === description.fill;
    return {
      view,
      picture: this.pictureName(),
      target,
      className: description.classes[target],
      magnitudes: contents.sweeps[description.size][name],
      archived: alone ? this.pack.curve(description, transformation, target) : undefined,
      ask: (magnitude) => {
        const magnitudes = magnitude === identity ? rest : { ...rest, [name]: magnitude };
        return network.softmax(this.transformed(picture, { ...view, magnitudes }));
      },
    };
  }

  private chosen(size: number): Picture {
    const key = `${this.pictureName()}/${size}`;
    if (this.read?.key === key) return this.read.picture;
    const picture = this.own
      ? readImage(this.own.image, size)
      : fromDifferences(this.pack.bytes(this.sample().pixels[size]), size, size);
    this.read = { key, picture };
    return picture;
  }

  private sample(): SamplePicture {
    const sample = this.pack.contents.pictures.find(({ name }) => name === this.view.picture);
    if (!sample) throw new Error(`no picture ${this.view.picture}`);
    return sample;
  }

  private pictureTitle(): string {
    return this.own?.name ?? this.sample().title;
  }

  /** Show what was said of a view; meanwhile another one may have been chosen. */
  private answer(
    view: View, classes: readonly string[], before: Float32Array, now: Float32Array,
  ): void {
    const first = bestOf(before);
    this.answers.replaceChildren(
      ...bestFew(now, SHOWN).map((index) => {
        const bar = element("div", { className: "bar" });
        bar.style.width = `${100 * now[index]}%`;
        const name = element("div", { className: "name" }, [
          element("span", {}, [classes[index]]), element("span", {}, [percent(now[index])]),
        ]);
        return element("li", { className: index === first ? "before" : "" }, [name, bar]);
      }),
    );
    const moved = Object.keys(view.magnitudes).length > 0 || view.clip || view.learned !== undefined;
    const text = verdict(classes, before, now, moved);
    this.sentence.textContent = text;
    this.sentence.classList.toggle("changed", bestOf(now) !== first);
    clearTimeout(this.told);
    this.told = setTimeout(() => { this.live.textContent = text; }, QUIET);
  }
}

function draw(canvas: HTMLCanvasElement, picture: Picture, label: string): void {
  canvas.ariaLabel = label;
  [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext("2d")?.putImageData(toImageData(picture), 0, 0);
}
