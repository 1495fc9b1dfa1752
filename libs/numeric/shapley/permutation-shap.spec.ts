import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { exactShapley } from './exact-shapley.js';
import { meanMargin, type PermutationOptions, permutationShap } from './permutation-shap.js';

type Model = (row: Float32Array) => number;

function asking(model: Model, features: number, batches: number[] = []) {
  return async (rows: Float32Array, count: number): Promise<Float64Array> => {
    batches.push(count);
    expect(rows).toHaveLength(count * features);
    return Float64Array.from({ length: count }, (_, i) => model(rows.subarray(i * features, (i + 1) * features)));
  };
}

function exact(model: Model, row: Float32Array, { features, background }: PermutationOptions): Float64Array {
  const rows = background.length / features;
  return exactShapley(features, (set) => {
    let sum = 0;
    for (let other = 0; other < rows; other++)
      sum += model(row.map((cell, i) => ((set >> i) & 1 ? cell : background[other * features + i]!)));
    return sum / rows;
  });
}

const number = fc.float({ min: -2, max: 2, noNaN: true });
const games = fc.integer({ min: 1, max: 6 }).chain((features) => {
  const row = fc.array(number, { minLength: features, maxLength: features });
  return fc.record({
    row: row.map((cells) => Float32Array.from(cells)),
    background: fc.array(row, { minLength: 1, maxLength: 5 }).map((rows) => Float32Array.from(rows.flat())),
    orders: fc.integer({ min: 1, max: 4 }),
    maxRows: fc.integer({ min: 1, max: 9 }),
  });
});

/** Pairs interact, no three features do. */
const inPairs: Model = (row) => row.reduce((sum, cell, i) => sum + cell * (1 + (row[i + 1] ?? 0)), 0);
const threefold: Model = (row) => row[0]! * row[1]! * row[2]! + Math.max(row[2]!, row[3]!, 0);

describe('permutationShap', () => {
  it('is exact where no three features interact, whatever the orders and the batches', async () => {
    await fc.assert(
      fc.asyncProperty(games, async ({ row, ...rest }) => {
        const options = { features: row.length, ...rest };
        const batches: number[] = [];
        const ask = asking(inPairs, row.length, batches);
        const base = await meanMargin(ask, options);
        const found = await permutationShap(ask, row, base, options);
        const expected = exact(inPairs, row, options);
        for (let i = 0; i < row.length; i++) expect(Math.abs(found[i]! - expected[i]!)).toBeLessThan(1e-9);
        expect(Math.max(...batches)).toBeLessThanOrEqual(rest.maxRows);
      }),
      { numRuns: 200, seed: 20_010_414 },
    );
  });

  it('adds up to the margin where more do, comes near to the exact values, and says the same again', async () => {
    const row = new Float32Array([1.5, -1, 0.75, 2, 0.5]);
    const background = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i * 7));
    const options = { features: 5, background, orders: 10, maxRows: 64 };
    const ask = asking(threefold, 5);
    const base = await meanMargin(ask, options);
    const found = await permutationShap(ask, row, base, options);
    expect(found.reduce((sum, one) => sum + one, base)).toBeCloseTo(threefold(row), 9);
    const expected = exact(threefold, row, options);
    for (let i = 0; i < 5; i++) expect(Math.abs(found[i]! - expected[i]!)).toBeLessThan(0.15);
    expect(found[4]).toBeCloseTo(0, 12);
    expect(await permutationShap(ask, row, base, options)).toEqual(found);
  });
});
