import { finite } from './histogram.js';

/** The exact two-sample statistics, from the values themselves; NaN values are nulls and left out, a sample without values gives NaN. O(n log n). */

/** Kolmogorov-Smirnov's D = max |F - G|, 0..1 (Smirnov 1939); as scipy.stats.ks_2samp. */
export function ksOfSamples(reference: ArrayLike<number>, current: ArrayLike<number>): number {
  let most = 0;
  return walk(reference, current, (gap) => (most = Math.max(most, Math.abs(gap)))) ? most : Number.NaN;
}

/** Wasserstein-1 = the integral of |F - G| (Vallender 1974), in the values' unit; as scipy.stats.wasserstein_distance. */
export function wassersteinOfSamples(reference: ArrayLike<number>, current: ArrayLike<number>): number {
  let sum = 0;
  return walk(reference, current, (gap, width) => (sum += Math.abs(gap) * width)) ? sum : Number.NaN;
}

/** Each distinct value in order, with F - G at it and how far the next one is (0 after the last). False = a sample is empty. */
function walk(
  reference: ArrayLike<number>,
  current: ArrayLike<number>,
  visit: (gap: number, width: number) => void,
): boolean {
  const [a, b] = [finite(reference).sort(), finite(current).sort()];
  if (a.length === 0 || b.length === 0) return false;
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const value = Math.min(a[i] ?? Infinity, b[j] ?? Infinity);
    while (a[i] === value) i += 1;
    while (b[j] === value) j += 1;
    const next = Math.min(a[i] ?? Infinity, b[j] ?? Infinity);
    visit(i / a.length - j / b.length, next === Infinity ? 0 : next - value);
  }
  return true;
}
