import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { jensenShannon, ksOfHistograms, psi, wassersteinOfHistograms } from './distances.js';
import { binOf, coarsen, histogramOf, maxEdges, quantileEdges, rowsOf } from './histogram.js';
import { autoThreshold, type DistanceName } from './thresholds.js';
import { ksOfSamples, wassersteinOfSamples } from './two-sample.js';

/** Seeded normal values (Box-Muller over a linear congruential generator). */
function normal(seed: number, n: number, mean = 0): Float64Array {
  let state = seed;
  const uniform = (): number => ((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) + 1) / 4_294_967_297;
  return Float64Array.from(
    { length: n },
    () => mean + Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}
const both = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  const edges = quantileEdges(a);
  return [histogramOf(a, edges), histogramOf(b, edges)] as const;
};
const integers = fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 200 });

describe('histograms', () => {
  it('have at most 255 distinct ascending edges, and every value in the bin that its edges say', () => {
    const values = normal(1, 5_000);
    const edges = quantileEdges(values);
    expect(edges.length).toBe(maxEdges);
    for (let i = 1; i < edges.length; i += 1) expect(edges[i]).toBeGreaterThan(edges[i - 1]!);
    for (const value of [-100, ...edges, 0.1, 100])
      expect(binOf(value, edges)).toBe(edges.filter((edge) => edge <= value).length);
    expect(rowsOf(histogramOf(values, edges))).toBe(5_000);
  });

  it('have every distinct value as an edge where there are few, and nulls apart', () => {
    const values = [3, 1, Number.NaN, 1, 2];
    expect([...quantileEdges(values)]).toEqual([1, 2, 3]);
    const { counts, nulls } = histogramOf(values, quantileEdges(values));
    expect([[...Float64Array.from(counts)], nulls]).toEqual([[0, 2, 1, 1], 1]);
  });

  it('become ten bins of equal share and one of nulls, with no row lost', () => {
    const [a, b] = both(normal(1, 10_000), [...normal(2, 500, 1), Number.NaN]);
    const coarse = coarsen(a, b);
    expect(coarse.reference.length).toBe(11);
    for (const count of coarse.reference.slice(0, 10)) expect(Math.abs(count - 1_000)).toBeLessThan(50);
    expect(coarse.current.reduce((x, y) => x + y)).toBe(501);
    expect(coarse.current[10]).toBe(1);
  });
});

describe('distances', () => {
  it('are 0 between equal histograms and NaN where a side is empty', () => {
    const [a, b] = both([1, 2, 3], [1, 2, 3]);
    expect([psi(a.counts, b.counts), jensenShannon(a.counts, b.counts)]).toEqual([0, 0]);
    expect([ksOfHistograms(a, b), wassersteinOfHistograms(a, b)]).toEqual([0, 0]);
    const none = histogramOf([], a.edges);
    expect([psi(a.counts, none.counts), jensenShannon(none.counts, a.counts)]).toEqual([Number.NaN, Number.NaN]);
    expect([ksOfHistograms(a, none), wassersteinOfHistograms(a, none)]).toEqual([Number.NaN, Number.NaN]);
    expect([ksOfSamples([1], []), wassersteinOfSamples([Number.NaN], [1])]).toEqual([Number.NaN, Number.NaN]);
  });

  it('fill an empty bin of PSI as Evidently does: 1e-4, or a millionth of the smallest share', () => {
    const one = (p: number, q: number): number => (p - q) * Math.log(p / q);
    expect(psi([50, 50, 0], [40, 40, 20])).toBeCloseTo(2 * one(0.5, 0.4) + one(1e-4, 0.2), 12);
    expect(psi([99_999, 1, 0], [1, 1, 2])).toBeCloseTo(one(0.99999, 0.25) + one(1e-5, 0.25) + one(1e-11, 0.5), 9);
  });

  it('of histograms with every value as an edge are those of the values, whatever the values', () => {
    fc.assert(
      fc.property(integers, integers, (reference, current) => {
        const edges = quantileEdges([...reference, ...current]);
        const [a, b] = [histogramOf(reference, edges), histogramOf(current, edges)];
        expect(ksOfHistograms(a, b)).toBeCloseTo(ksOfSamples(reference, current), 10);
        expect(wassersteinOfHistograms(a, b)).toBeCloseTo(wassersteinOfSamples(reference, current), 10);
      }),
    );
  });

  it('of 255 quantiles are close to those of the values', () => {
    const [reference, current] = [normal(3, 20_000), normal(4, 20_000, 0.3)];
    const [a, b] = both(reference, current);
    expect(Math.abs(ksOfHistograms(a, b) - ksOfSamples(reference, current))).toBeLessThan(0.003);
    expect(Math.abs(wassersteinOfHistograms(a, b) - wassersteinOfSamples(reference, current))).toBeLessThan(0.02);
  });
});

describe('the automatic threshold', () => {
  it('is the rule of thumb where there are many rows, and what size alone explains where there are few', () => {
    expect(autoThreshold('psi', 1e6, 1e6, 10)).toBe(0.25);
    expect(autoThreshold('psi', 1e6, 50, 11)).toBeCloseTo(3 * 10 * (1e-6 + 0.02), 12);
    expect(autoThreshold('ks', 1e6, 100, 11)).toBeGreaterThan(0.19);
  });

  it('is passed by almost no window without drift', () => {
    const reference = normal(5, 5_000);
    const edges = quantileEdges(reference);
    const a = histogramOf(reference, edges);
    const passed: Record<DistanceName, number> = { psi: 0, ks: 0, js: 0, wasserstein: 0 };
    const rows = 100;
    for (let round = 0; round < 1_000; round += 1) {
      const b = histogramOf(normal(1_000 + round * 7_919, rows), edges);
      const bins = coarsen(a, b);
      const found = {
        psi: psi(bins.reference, bins.current),
        js: jensenShannon(bins.reference, bins.current),
        ks: ksOfHistograms(a, b),
        wasserstein: wassersteinOfHistograms(a, b),
      };
      for (const name of ['psi', 'ks', 'js', 'wasserstein'] as const)
        if (found[name] > autoThreshold(name, 5_000, rows, bins.reference.length)) passed[name] += 1;
    }
    for (const name of ['psi', 'ks', 'js', 'wasserstein'] as const) expect(passed[name]).toBeLessThan(8);
  });
});
