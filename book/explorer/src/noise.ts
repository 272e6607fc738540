/**
 * The fields of noise that `itn.transformations.noise_fields` draws, number by number.
 *
 * They are those of numpy's `default_rng(seeds).standard_normal(dtype="float32")`: the seeds are
 * hashed (O'Neill 2015, seed sequences), the hash starts a generator (O'Neill 2014, PCG XSL RR
 * 128/64), and its numbers become normal by the ziggurat (Marsaglia and Tsang 2000).
 */

const WORD = (1n << 64n) - 1n;
const STATE = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;
const POOL_SIZE = 4; // words

/** Multiplies and mixes words of 32 bits, with another factor each time. */
class Hash {
  constructor(
    private factor: number,
    private readonly next: number,
  ) {}

  of(word: number): number {
    const mixed = word ^ this.factor;
    this.factor = Math.imul(this.factor, this.next);
    const product = Math.imul(mixed, this.factor);
    return (product ^ (product >>> 16)) >>> 0;
  }
}

/** Spread seeds of 32 bits over eight words. */
function seedSequence(seeds: readonly number[]): Uint32Array {
  const hash = new Hash(0x43b0d7e5, 0x931e8875);
  const pool = Uint32Array.from({ length: POOL_SIZE }, (_, i) =>
    hash.of(i < seeds.length ? seeds[i] : 0),
  );
  const mixIn = (target: number, word: number): void => {
    const product = Math.imul(pool[target], 0xca01f9dd) - Math.imul(word, 0x4973f715);
    pool[target] = product ^ (product >>> 16);
  };
  for (let source = 0; source < POOL_SIZE; source++) {
    for (let target = 0; target < POOL_SIZE; target++) {
      if (source !== target) mixIn(target, hash.of(pool[source]));
    }
  }
  for (const seed of seeds.slice(POOL_SIZE)) {
    for (let target = 0; target < POOL_SIZE; target++) mixIn(target, hash.of(seed));
  }
  const spread = new Hash(0x8b51f9dd, 0x58f38ded);
  return Uint32Array.from({ length: 8 }, (_, i) => spread.of(pool[i % POOL_SIZE]));
}

/** A permuted congruential generator; it gives 32 bits at a time, the low half first. */
class Generator {
  private state: bigint;
  private readonly increment: bigint;
  private high = 0;
  private highIsLeft = false;

  constructor(seeds: readonly number[]) {
    const words = Array.from(seedSequence(seeds), BigInt);
    const pairs = [0, 2, 4, 6].map((i) => words[i] | (words[i + 1] << 32n));
    this.increment = ((((pairs[2] << 64n) | pairs[3]) << 1n) | 1n) & STATE;
    this.state = (this.increment + ((pairs[0] << 64n) | pairs[1])) & STATE;
    this.step();
  }

  bits(): number {
    if (this.highIsLeft) {
      this.highIsLeft = false;
      return this.high;
    }
    this.step();
    const folded = (this.state >> 64n) ^ (this.state & WORD);
    const turn = this.state >> 122n;
    const turned = ((folded >> turn) | (folded << (64n - turn))) & WORD;
    this.high = Number(turned >> 32n);
    this.highIsLeft = true;
    return Number(turned & 0xffffffffn);
  }

  /** A number in [0, 1). */
  share(): number {
    return (this.bits() >>> 8) / 2 ** 24;
  }

  private step(): void {
    this.state = (this.state * MULTIPLIER + this.increment) & STATE;
  }
}

const LAYERS = 256;
const TAIL = 3.6541528853610088; // where the lowest layer ends and the tail begins
const AREA = 0.00492867323399; // of each layer
const FRACTION = 2 ** 23; // positions within a layer that are told apart

/** The layers that the normal density is cut into: widths, shares that lie below it, heights. */
const ZIGGURAT = (() => {
  const height = (x: number): number => Math.exp((-x * x) / 2);
  const [width, inside, heights] = [0, 0, 0].map(() => new Float64Array(LAYERS));
  let edge = TAIL;
  const widest = AREA / height(TAIL); // the lowest layer, as if it had no tail
  [width[0], inside[0], heights[0]] = [widest / FRACTION, (TAIL / widest) * FRACTION, 1];
  [width[LAYERS - 1], heights[LAYERS - 1]] = [TAIL / FRACTION, height(TAIL)];
  for (let layer = LAYERS - 2; layer > 0; layer--) {
    const inner = Math.sqrt(-2 * Math.log(AREA / edge + height(edge)));
    inside[layer + 1] = (inner / edge) * FRACTION;
    [width[layer], heights[layer]] = [inner / FRACTION, height(inner)];
    edge = inner;
  }
  return { width: Float32Array.from(width), inside, heights: Float32Array.from(heights) };
})();

function normal(generator: Generator): number {
  for (;;) {
    const bits = generator.bits();
    const layer = bits & 0xff;
    const sign = (bits >>> 8) & 1 ? -1 : 1;
    const position = (bits >>> 9) & (FRACTION - 1);
    const x = Math.fround(position * ZIGGURAT.width[layer]);
    if (position < Math.floor(ZIGGURAT.inside[layer])) return sign * x;
    if (layer === 0) {
      for (;;) {
        const beyond = -Math.log1p(-generator.share()) / TAIL;
        const exponential = -Math.log1p(-generator.share());
        if (2 * exponential > beyond * beyond) {
          return (position >>> 8) & 1 ? -(TAIL + beyond) : TAIL + beyond;
        }
      }
    }
    const [upper, lower] = [ZIGGURAT.heights[layer - 1], ZIGGURAT.heights[layer]];
    if ((upper - lower) * generator.share() + lower < Math.exp((-x * x) / 2)) return sign * x;
  }
}

/** Draw standard normal noise. */
export function noiseField(seeds: readonly number[], length: number): Float32Array {
  const generator = new Generator(seeds);
  return Float32Array.from({ length }, () => normal(generator));
}
