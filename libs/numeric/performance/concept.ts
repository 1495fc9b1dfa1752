import { type Estimate, z95 } from '../estimate.js';
import { loglossOf } from '../probability-scores.js';
import type { CalibratedRows } from './calibration.js';

/**
 * How much worse scores have become at what they say: the mean, over labelled rows, of the log-loss that came about less the one that calibrated scores of the same rows
 * expect, in nats. What features do cancels out, as both are of the same rows; what is left is that a score means something else than it did on the validation rows:
 * concept drift. About 0 without it; below 0 = labels turn out surer than the scores expected. The 95 % interval is that of a mean of paired differences, widened by what is not
 * known of the calibration. Undefined with fewer than two rows.
 * @param labels 0 or 1, as many
 */
export function conceptDrift(rows: CalibratedRows, labels: ArrayLike<number>): Estimate | undefined {
  const { scores, probabilities } = rows;
  const n = scores.length;
  if (n < 2) return undefined;
  const differences = new Float64Array(n);
  const gradient = new Float64Array(n);
  let sum = 0;
  for (let i = 0; i < n; i += 1) {
    const slope = loglossOf(scores[i]!, 1) - loglossOf(scores[i]!, 0);
    differences[i] = (labels[i]! - probabilities[i]!) * slope;
    gradient[i] = -slope / n;
    sum += differences[i]!;
  }
  const value = sum / n;
  const spread = differences.reduce((total, one) => total + (one - value) ** 2, 0) / (n - 1);
  const half = z95 * Math.sqrt(spread / n + rows.variance(gradient));
  return { value, low: value - half, high: value + half };
}
