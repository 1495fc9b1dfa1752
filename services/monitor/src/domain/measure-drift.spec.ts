import { describe, expect, it } from '@jest/globals';
import { binOf } from '#libs/numeric/drift/histogram.js';
import { type BinCount, measureDrift } from './measure-drift.js';
import { positionsOf, referenceOf } from './reference-histograms.js';

const trained = Float64Array.from({ length: 2_000 }, (_, i) => (i * 7_919) % 1_009);
const references = [referenceOf('steady', 1, trained), referenceOf('moved', 2, trained)];

function counted(position: number, values: readonly number[]): BinCount[] {
  const { edges } = references[position - 1]!;
  return values.map((value) => ({ position, bin: Number.isNaN(value) ? -1 : binOf(value, edges), rows: 1 }));
}
function merged(counts: readonly BinCount[]): BinCount[] {
  const rows = new Map<string, BinCount>();
  for (const one of counts) {
    const key = `${one.position}/${one.bin}`;
    rows.set(key, { ...one, rows: one.rows + (rows.get(key)?.rows ?? 0) });
  }
  return [...rows.values()];
}

describe('drift of a version', () => {
  const steady = counted(1, Array.from(trained.slice(0, 1_000)));

  it('has what moved first, with the reference and its own share of nulls', () => {
    const moved = counted(2, [...trained.slice(0, 900).map((x) => x + 400), ...Array(100).fill(Number.NaN)]);
    const [first, second] = measureDrift(references, merged([...steady, ...moved]), 'psi', 'auto');
    expect(first).toMatchObject({
      feature: 'moved',
      drifted: true,
      rows: 1_000,
      nullShare: 0.1,
      referenceNullShare: 0,
    });
    expect(second).toMatchObject({ feature: 'steady', drifted: false, threshold: 0.25 });
    expect(first!.wasserstein).toBeGreaterThan(second!.wasserstein);
  });

  it('takes a threshold that is given, of the statistic that is asked for', () => {
    const found = measureDrift(references, merged(steady), 'ks', 1e-9)[0]!;
    expect(found).toMatchObject({ feature: 'steady', drifted: true, threshold: 1e-9 });
  });

  it('of a feature without rows is unknown, and comes last', () => {
    const found = measureDrift(references, merged(steady), 'psi', 'auto');
    expect(found.map(({ feature, psi, drifted }) => [feature, Number.isNaN(psi), drifted])).toEqual([
      ['steady', false, false],
      ['moved', true, false],
    ]);
  });
});

it('places a version’s features in the logged vector by the columns of the training set', () => {
  const columns = ['a', 'b', 'c', 'label', 'split'];
  expect([...positionsOf(columns, ['c', 'a'])]).toEqual([
    ['c', 3],
    ['a', 1],
  ]);
  expect(() => positionsOf(columns, ['label'])).toThrow(
    'feature "label" is no column of the training set, which has a,b,c',
  );
});
