import type { Histogram } from './histogram.js';

/**
 * Population stability index: sum of (p - q) ln(p / q) over the bins' shares (Siddiqi 2006), natural logarithm, >= 0. A share of 0 is filled, on each side by itself, with
 * 1e-4, or with a millionth of the side's smallest share where that is 1e-4 or less: Evidently's rule. A side without rows gives NaN.
 * @param reference counts a bin @param current counts of the same bins
 */
export function psi(reference: ArrayLike<number>, current: ArrayLike<number>): number {
  const [p, q] = [filled(shares(reference)), filled(shares(current))];
  return p.reduce((sum, share, i) => sum + (share - q[i]!) * Math.log(share / q[i]!), 0);
}

/**
 * Jensen-Shannon distance: the square root of the divergence with natural logarithm, 0..sqrt(ln 2) (Lin 1991; Endres and Schindelin 2003). As scipy's and Evidently's;
 * base 2, as NannyML has it, is larger by 1 / sqrt(ln 2). A side without rows gives NaN.
 * @param reference counts a bin @param current counts of the same bins
 */
export function jensenShannon(reference: ArrayLike<number>, current: ArrayLike<number>): number {
  const [p, q] = [shares(reference), shares(current)];
  const part = (share: number, mean: number): number => (share === 0 ? 0 : share * Math.log(share / mean));
  const twice = p.reduce((sum, share, i) => {
    const mean = (share + q[i]!) / 2;
    return sum + part(share, mean) + part(q[i]!, mean);
  }, 0);
  return Math.sqrt(Math.max(0, twice / 2));
}

/**
 * Kolmogorov-Smirnov's D = max |F - G| at the edges, 0..1: never above that of the values themselves, and equal to it where the edges are all of the values. Nulls are left
 * out. A side without rows gives NaN.
 */
export function ksOfHistograms(reference: Histogram, current: Histogram): number {
  return gaps(reference, current).reduce((most, gap) => Math.max(most, Math.abs(gap)), 0);
}

/**
 * Wasserstein-1, the integral of |F - G|, in the feature's unit, with each bin's rows at its lower edge (those below the first edge at the first): exact where the edges are
 * all of the values. Nulls are left out. A side without rows gives NaN.
 */
export function wassersteinOfHistograms(reference: Histogram, current: Histogram): number {
  const { edges } = reference;
  // No width beyond the outer edges: gap * 0 keeps the NaN of a side without rows.
  const width = (i: number): number => (i === 0 || i >= edges.length ? 0 : edges[i]! - edges[i - 1]!);
  return gaps(reference, current).reduce((sum, gap, i) => sum + Math.abs(gap) * width(i), 0);
}

/** F - G just below each edge, and at last 0. */
function gaps(reference: Histogram, current: Histogram): Float64Array {
  const [p, q] = [shares(reference.counts), shares(current.counts)];
  let gap = 0;
  return p.map((share, i) => (gap += share - q[i]!));
}

/** Shares of nothing are NaN, and so is all that is made of them. */
function shares(counts: ArrayLike<number>): Float64Array {
  const all = Float64Array.from(counts);
  const total = all.reduce((sum, count) => sum + count, 0);
  return all.map((count) => (total === 0 ? Number.NaN : count / total));
}

function filled(all: Float64Array): Float64Array {
  const smallest = all.reduce((least, share) => (share > 0 && share < least ? share : least), 1);
  const filling = smallest <= 1e-4 ? smallest / 1e6 : 1e-4;
  return all.map((share) => (share === 0 ? filling : share));
}
