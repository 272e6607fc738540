/** One picture under all magnitudes of a transformation, from the identity outward. */

import {
  DIRECTIONS, highestOther, lossOf, marginOf, sides, unrolled, type Direction, type Loss,
} from "./thresholds.ts";
import type { Transformation } from "./transformations.ts";

export class Sweep {
  readonly axis: readonly number[];
  /** Softmax of the class, and the highest of all others; NaN where it was not looked yet. */
  readonly own: Float64Array;
  readonly others: Float64Array;
  private readonly margins: Float64Array;
  private readonly sides: Record<Direction, number[]>;

  constructor(
    readonly transformation: Transformation,
    magnitudes: readonly number[],
    readonly target: number, // the class whose loss is looked for
  ) {
    this.axis = unrolled(magnitudes, transformation).axis;
    this.sides = sides(this.axis, transformation.identity);
    [this.own, this.others, this.margins] = [0, 0, 0].map(() =>
      new Float64Array(this.axis.length).fill(NaN),
    );
  }

  /** Look at one magnitude after the other, as long as `goesOn` says so after each. */
  async run(
    ask: (magnitude: number) => Promise<Float32Array>, goesOn: () => Promise<boolean>,
  ): Promise<boolean> {
    for (const position of this.outward()) {
      const softmax = await ask(this.axis[position]);
      this.own[position] = softmax[this.target];
      this.others[position] = highestOther(softmax, this.target);
      this.margins[position] = marginOf(softmax, this.target);
      if (!(await goesOn())) return false;
    }
    return true;
  }

  /** Where the class is lost in each direction, as far as was looked. */
  losses(): Record<Direction, Loss> {
    const { logarithmic } = this.transformation;
    const found = DIRECTIONS.map((direction) => {
      const looked = this.looked(direction);
      return [
        direction,
        lossOf(looked.map((i) => this.axis[i]), looked.map((i) => this.margins[i]), logarithmic),
      ];
    });
    return Object.fromEntries(found) as Record<Direction, Loss>;
  }

  /** The positions that were looked at, in the order of the axis. */
  known(): number[] {
    return [...this.axis.keys()].filter((i) => !Number.isNaN(this.own[i]));
  }

  private looked(direction: Direction): number[] {
    return this.sides[direction].filter((i) => !Number.isNaN(this.own[i]));
  }

  /** The identity first, then in turn one step farther on either side. */
  private *outward(): Generator<number> {
    const { down, up } = this.sides;
    for (let step = 0; step < Math.max(down.length, up.length); step++) {
      if (step < up.length) yield up[step];
      if (step > 0 && step < down.length) yield down[step];
    }
  }
}
