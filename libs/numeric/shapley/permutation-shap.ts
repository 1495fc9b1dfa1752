import { generator } from '../generator.js';

/** A model that can only be asked: the margins of float32 rows [count, features], row-major; NaN = missing. */
export type AskMargins = (rows: Float32Array, count: number) => Promise<Float64Array>;

export interface PermutationOptions {
  readonly features: number;
  /** float32 [n, features], n at least 1. */
  readonly background: Float32Array;
  /** Orders of the features, each gone through both ways. */
  readonly orders: number;
  /** Rows that the model is asked for at a time. */
  readonly maxRows: number;
}

/**
 * Permutation SHAP: a feature's contribution is its mean gain in random orders of the features, where the value of a set of features is the mean margin over background
 * rows that take these features from the row explained (Strumbelj and Kononenko 2014). Each order is gone through backwards too (antithetic sampling), which is exact
 * for models without interactions of three features or more. Contributions and base value make up the row's margin whatever the orders were.
 * The orders are drawn from the row: the same row has the same explanation.
 *
 * Asks for 2 * orders * (features - 1) * n + 1 rows.
 * @param row float32 [features]
 * @param baseValue mean margin of the background rows
 */
export async function permutationShap(
  ask: AskMargins,
  row: Float32Array,
  baseValue: number,
  options: PermutationOptions,
): Promise<Float64Array> {
  const { features, orders } = options;
  const all = Array.from({ length: features }, (_, feature) => feature);
  const [whole = Number.NaN] = await ask(row, 1);
  const contributions = new Float64Array(features);
  const random = generator(seedOf(row));
  for (let i = 0; i < orders; i++) {
    const order = shuffled(all, random);
    for (const walk of [order, order.toReversed()]) {
      const values = await meansAlong(ask, row, walk, options);
      let before = baseValue;
      for (let step = 0; step < features; step++) {
        const value = step === features - 1 ? whole : values[step]!;
        contributions[walk[step]!]! += (value - before) / (2 * orders);
        before = value;
      }
    }
  }
  return contributions;
}

/** Mean margin of the background rows. */
export async function meanMargin(
  ask: AskMargins,
  { features, background, maxRows }: PermutationOptions,
): Promise<number> {
  const count = background.length / features;
  let sum = 0;
  for (let first = 0; first < count; first += maxRows) {
    const rows = Math.min(maxRows, count - first);
    const margins = await ask(background.subarray(first * features, (first + rows) * features), rows);
    for (let i = 0; i < rows; i++) sum += margins[i]!;
  }
  return sum / count;
}

/** The values of the sets of the first 1, 2, ..., features - 1 features of a walk. */
async function meansAlong(
  ask: AskMargins,
  row: Float32Array,
  walk: readonly number[],
  { features, background, maxRows }: PermutationOptions,
): Promise<Float64Array> {
  const others = background.length / features;
  const means = new Float64Array(features - 1);
  const wanted = means.length * others;
  const mixed = Float32Array.from(background);
  const batch = new Float32Array(Math.min(maxRows, wanted) * features);
  for (let at = 0; at < wanted;) {
    const first = at;
    const count = Math.min(maxRows, wanted - first);
    for (let i = 0; i < count; i++, at++) {
      const other = at % others;
      // One more feature of the row each time that the background begins anew: the sets grow along the walk.
      const feature = walk[Math.floor(at / others)]!;
      mixed[other * features + feature] = row[feature]!;
      batch.set(mixed.subarray(other * features, (other + 1) * features), i * features);
    }
    const margins = await ask(batch.subarray(0, count * features), count);
    for (let i = 0; i < count; i++) means[Math.floor((first + i) / others)]! += margins[i]! / others;
  }
  return means;
}

/** Fisher and Yates. */
function shuffled(items: readonly number[], random: () => number): number[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** FNV-1a of the row's bytes. */
function seedOf(row: Float32Array): number {
  let hash = 0x811c_9dc5;
  for (const byte of new Uint8Array(row.buffer, row.byteOffset, row.byteLength))
    hash = Math.imul(hash ^ byte, 0x0100_0193);
  return hash >>> 0;
}
