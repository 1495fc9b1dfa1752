import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { generator } from '../generator.js';
import { binomialBounds, logBayesFactor } from './binomial-bounds.js';
import { logBeta, logGamma } from './log-gamma.js';
import { halfWidth, meanDifferenceHarm, meanHarm } from './mean-bounds.js';
import { p99Harm } from './quantile-share.js';
import { errorHarm, logErrorEvidence, type Stratum } from './share-test.js';

const choose = (n: number, k: number): number => Math.exp(logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1));
const counts = fc
  .integer({ min: 1, max: 3_000 })
  .chain((n) => fc.tuple(fc.integer({ min: 0, max: n }), fc.constant(n)));

it('log-gamma is that of factorials and of one half, and keeps its precision up to a million', () => {
  let factorial = 0;
  for (let n = 1; n <= 1_000_000; n += 1) {
    if (n < 30 || n % 100_000 === 0) expect(logGamma(n)).toBeCloseTo(factorial, n < 30 ? 11 : 5);
    factorial += Math.log(n);
  }
  expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 12);
  expect(logBeta(2, 3)).toBeCloseTo(Math.log(1 / 12), 12);
});

describe('bounds of a proportion', () => {
  it('rest on a Bayes factor whose mean is 1 under the share that is tested, at every number of trials', () => {
    for (const p of [0.003, 0.02, 0.4]) {
      for (const n of [1, 17, 200]) {
        let mean = 0;
        for (let k = 0; k <= n; k += 1)
          mean += choose(n, k) * Math.exp(k * Math.log(p) + (n - k) * Math.log1p(-p) + logBayesFactor(p, k, n));
        expect(mean).toBeCloseTo(1, 8);
      }
    }
  });

  it('are where that factor is 1/alpha, around the share that was seen', () => {
    fc.assert(
      fc.property(counts, fc.constantFrom(0.01, 0.05, 0.2), ([k, n], alpha) => {
        const { low, high } = binomialBounds(k, n, alpha);
        expect(low).toBeLessThanOrEqual(k / n);
        expect(high).toBeGreaterThanOrEqual(k / n);
        if (k > 0) expect(logBayesFactor(low, k, n)).toBeCloseTo(-Math.log(alpha), 4);
        // Nearer to 1 than a double tells apart, the bound is the next one out.
        if (k < 0.9 * n) expect(logBayesFactor(high, k, n)).toBeCloseTo(-Math.log(alpha), 4);
      }),
    );
  });

  it('are [0, 1] without trials, narrow as trials grow, and widen as alpha falls', () => {
    expect(binomialBounds(0, 0, 0.05)).toEqual({ low: 0, high: 1 });
    expect(binomialBounds(0, 1_000_000, 0.05).high).toBeLessThan(2e-5);
    const { low, high } = binomialBounds(20_000, 1_000_000, 0.05);
    expect(low).toBeGreaterThan(0.0194);
    expect(high).toBeLessThan(0.0206);
    expect(binomialBounds(20, 1_000, 0.01).high).toBeGreaterThan(binomialBounds(20, 1_000, 0.05).high);
  });

  it('miss the true share in at most alpha of all sequences, looked at after every trial', () => {
    const random = generator(7);
    let missed = 0;
    for (let sequence = 0; sequence < 500; sequence += 1) {
      let errors = 0;
      for (let n = 1; n <= 1_000; n += 1) {
        if (random() < 0.02) errors += 1;
        if (logBayesFactor(0.02, errors, n) < -Math.log(0.1)) continue;
        missed += 1;
        break;
      }
    }
    expect(missed / 500).toBeLessThan(0.1);
    expect(missed).toBeGreaterThan(0);
  });
});

describe('errors of two versions', () => {
  const stratum = (candidateErrors: number, candidateRows: number, liveErrors: number, liveRows: number): Stratum => ({
    candidateErrors,
    candidateRows,
    liveErrors,
    liveRows,
  });

  it('rest on evidence whose mean is 1 for versions as good as each other, over every way that errors can fall', () => {
    const [m, n] = [9, 14];
    let mean = 0;
    for (let x = 0; x <= m; x += 1) {
      for (let y = 0; y <= n; y += 1) {
        const [few, many] = [0.1, 0.5];
        const chance =
          choose(m, x) * few ** x * (1 - few) ** (m - x) * choose(n, y) * many ** y * (1 - many) ** (n - y);
        const strata = [stratum(x, 100, m - x, 900), stratum(y, 500, n - y, 500)];
        mean += chance * Math.exp(logErrorEvidence(strata, 0));
      }
    }
    expect(mean).toBeCloseTo(1, 8);
  });

  it('take an incident that hits both for nobody’s fault, though the candidate had more of its rows', () => {
    // 20 errors in 10,000 rows while the candidate had 5 %, then 5 % of errors while it had half.
    const strata = [stratum(1, 500, 19, 9_500), stratum(100, 2_000, 100, 2_000)];
    const { harm, low } = errorHarm(strata, 0.05);
    expect(harm).toBeCloseTo(0, 4);
    expect(low).toBeLessThanOrEqual(0);
  });

  it('find a doubled rate, and let a version pass that fails as rarely', () => {
    const doubled = errorHarm([stratum(160, 4_000, 80, 4_000)], 0.025);
    expect(doubled.low).toBeGreaterThan(0);
    expect(doubled.low).toBeLessThan(doubled.harm);
    expect(doubled.high).toBeGreaterThan(doubled.harm);
    const same = errorHarm([stratum(1, 3_000, 1, 3_000)], 0.025);
    expect(same.low).toBeLessThanOrEqual(0);
    expect(same.high).toBeLessThan(0.01);
    expect(errorHarm([stratum(50, 1_000, 0, 1_000)], 0.025).low).toBeGreaterThan(0);
  });

  it('is never sure that the worse one is better, whatever is seen', () => {
    const rows = fc.integer({ min: 1, max: 2_000 });
    fc.assert(
      fc.property(
        rows,
        rows,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (m, n, p, q) => {
          const one = stratum(Math.floor(p * m), m, Math.floor(q * n), n);
          const { harm, low, high } = errorHarm([one], 0.05);
          expect(low).toBeLessThanOrEqual(harm + 1e-12);
          expect(high).toBeGreaterThanOrEqual(harm - 1e-12);
        },
      ),
    );
  });

  it('know nothing without rows of both', () => {
    expect(errorHarm([], 0.05)).toEqual({ harm: Number.NaN, low: -1, high: 1 });
    expect(errorHarm([stratum(3, 10, 0, 0)], 0.05)).toEqual({ harm: Number.NaN, low: -1, high: 1 });
  });
});

describe('bounds of a mean', () => {
  it('are those of the paper, by hand', () => {
    const rho2 = (-2 * Math.log(0.05) + Math.log(1 - 2 * Math.log(0.05))) / 500;
    const n = 800;
    const byHand =
      Math.sqrt((2 * (n * rho2 + 1)) / (n * n * rho2)) * Math.sqrt(Math.log(Math.sqrt(n * rho2 + 1) / 0.05));
    expect(halfWidth(n, 0.05)).toBeCloseTo(byHand, 12);
    expect(meanHarm({ n, mean: 2, variance: 9 }, 0.05).high).toBeCloseTo(2 + 3 * byHand, 12);
  });

  it('are tightest, for what a mean of so many rows can be known, at the rows they are tuned for', () => {
    const relative = (n: number): number => halfWidth(n, 0.05) * Math.sqrt(n);
    expect(relative(500)).toBeLessThan(relative(100));
    expect(relative(500)).toBeLessThan(relative(5_000));
  });

  it('say nothing of fewer than 50 rows', () => {
    expect(meanHarm({ n: 49, mean: 1, variance: 0.1 }, 0.05)).toEqual({
      harm: Number.NaN,
      low: -Infinity,
      high: Infinity,
    });
    const few = { n: 49, mean: 1, variance: 1 };
    const many = { n: 500, mean: 0, variance: 1 };
    expect(meanDifferenceHarm(few, many, 0.05).high).toBe(Infinity);
    expect(meanDifferenceHarm(many, few, 0.05).high).toBe(Infinity);
  });

  it('of two samples have the variance of their difference, and become those of one where the other is large', () => {
    const candidate = { n: 400, mean: 0.5, variance: 0.3 };
    const two = meanDifferenceHarm(candidate, { n: 1e9, mean: 0.1, variance: 0.2 }, 0.05);
    const one = meanHarm({ ...candidate, mean: 0.4 }, 0.05);
    expect(two.harm).toBeCloseTo(0.4, 12);
    expect(two.low).toBeCloseTo(one.low, 5);
    const even = meanDifferenceHarm(candidate, { n: 400, mean: 0.1, variance: 0.5 }, 0.05);
    expect(even.high - even.harm).toBeCloseTo(Math.sqrt(200 * (0.3 / 400 + 0.5 / 400)) * halfWidth(200, 0.05), 12);
  });
});

it('a 99th percentile is too high for certain when surely more than 1 % of the rows are slower, and fine when surely fewer are', () => {
  expect(p99Harm(300, 10_000, 5_000, 0.05).low).toBeGreaterThan(0);
  expect(p99Harm(20, 10_000, 5_000, 0.05).high).toBeLessThan(0);
  const unsure = p99Harm(100, 10_000, 5_000, 0.05);
  expect([unsure.harm, unsure.low < 0, unsure.high > 0]).toEqual([0, true, true]);
  expect(p99Harm(300, 10_000, 999, 0.05)).toEqual({ harm: Number.NaN, low: -0.01, high: 0.99 });
});
