import type { Harm } from './share-test.js';

/** Count, mean and variance (of a sample, divisor n - 1) of what was seen. */
export interface Moments {
  readonly n: number;
  readonly mean: number;
  readonly variance: number;
}

/** Nothing is said of fewer rows: the sequence is asymptotic. */
export const leastRows = 50;
/** Rows at which the bounds are tightest; far from it they are wider and as valid. */
const tunedRows = 500;
const unknown: Harm = { harm: Number.NaN, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

/**
 * Bounds of a mean that hold at every number of rows at once with chance 1 - alpha, half of alpha on each side: the asymptotic confidence sequence of Waudby-Smith, Arbour,
 * Sinha, Kennedy and Ramdas (2024, arXiv 2103.06476, theorem 2.2), tuned by their equation for 500 rows. Of paired rows, give the moments of the differences.
 * Fewer than 50 rows give NaN and infinite bounds.
 */
export function meanHarm({ n, mean, variance }: Moments, alpha: number): Harm {
  if (n < leastRows) return unknown;
  const half = Math.sqrt(variance) * halfWidth(n, alpha);
  return { harm: mean, low: mean - half, high: mean + half };
}

/**
 * The same of the difference of two independent samples' means, candidate less live. Its variance is v1/n1 + v2/n2; it is treated as the mean of the effective number of rows
 * n1 n2 / (n1 + n2), with the variance a row that gives exactly this: with many live rows the number is the candidate's. Fewer than 50 rows on either side give NaN.
 */
export function meanDifferenceHarm(candidate: Moments, live: Moments, alpha: number): Harm {
  if (candidate.n < leastRows || live.n < leastRows) return unknown;
  const effective = (candidate.n * live.n) / (candidate.n + live.n);
  const variance = effective * (candidate.variance / candidate.n + live.variance / live.n);
  const half = Math.sqrt(variance) * halfWidth(effective, alpha);
  const harm = candidate.mean - live.mean;
  return { harm, low: harm - half, high: harm + half };
}

/** In standard deviations of a row. */
export function halfWidth(n: number, alpha: number): number {
  const twice = -2 * Math.log(alpha);
  const rhoSquare = (twice + Math.log(twice + 1)) / tunedRows;
  const grown = n * rhoSquare + 1;
  return Math.sqrt(((2 * grown) / (n * n * rhoSquare)) * Math.log(Math.sqrt(grown) / alpha));
}
