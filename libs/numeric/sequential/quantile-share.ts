import { binomialBounds } from './binomial-bounds.js';
import type { Harm } from './share-test.js';

/** Share of rows that lie above a 99th percentile. */
export const aboveP99 = 0.01;
/** Of the live version, before its 99th percentile (ten rows lie above it) is taken for known. */
export const leastLiveRows = 1_000;

/**
 * Whether the candidate's 99th percentile of latency is above a threshold: exactly when more than 1 % of its rows are slower, so the share of slow rows is bounded, whatever
 * the latencies' distribution. Harm is that share less 0.01, -0.01..0.99; it is below 0 for certain where `high` is. The threshold, ratio x the live version's percentile, is
 * itself measured: rows of the live version below leastLiveRows give NaN and the widest bounds, and ratio > 1 has to cover what uncertainty is left.
 */
export function p99Harm(slowRows: number, candidateRows: number, liveRows: number, alpha: number): Harm {
  if (candidateRows === 0 || liveRows < leastLiveRows) return { harm: Number.NaN, low: -aboveP99, high: 1 - aboveP99 };
  const { low, high } = binomialBounds(slowRows, candidateRows, alpha);
  return { harm: slowRows / candidateRows - aboveP99, low: low - aboveP99, high: high - aboveP99 };
}
