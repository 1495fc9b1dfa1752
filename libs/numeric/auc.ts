import { type Estimate, z95 } from './estimate.js';

/**
 * Area under the ROC curve: the chance that a positive scores above a negative, ties counting half; with the interval of DeLong et al. (1988), computed by midranks in
 * O(n log n) (Sun and Xu 2014). NaN throughout where one of the classes is missing.
 * @param scores any finite numbers
 * @param labels 0 or 1, as many
 */
export function auc(scores: ArrayLike<number>, labels: ArrayLike<number>): Estimate {
  const positives = pick(scores, labels, 1);
  const negatives = pick(scores, labels, 0);
  const [m, n] = [positives.length, negatives.length];
  if (m === 0 || n === 0) return { value: Number.NaN, low: Number.NaN, high: Number.NaN };
  const together = new Float64Array(m + n);
  together.set(positives);
  together.set(negatives, m);
  const rankTogether = midranks(together);
  const [rankPositives, rankNegatives] = [midranks(positives), midranks(negatives)];
  const ofPositive = Float64Array.from(positives, (_, i) => (rankTogether[i]! - rankPositives[i]!) / n);
  const ofNegative = Float64Array.from(negatives, (_, j) => 1 - (rankTogether[m + j]! - rankNegatives[j]!) / m);
  const value = mean(ofPositive);
  const half = z95 * Math.sqrt(variance(ofPositive) / m + variance(ofNegative) / n);
  return { value, low: Math.max(0, value - half), high: Math.min(1, value + half) };
}

/** Ranks from 1; equal values share the mean of theirs. */
export function midranks(values: Float64Array): Float64Array {
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to += 1;
    for (let i = from; i < to; i += 1) ranks[order[i]!] = (from + to + 1) / 2;
    from = to;
  }
  return ranks;
}

function pick(scores: ArrayLike<number>, labels: ArrayLike<number>, label: number): Float64Array {
  const picked: number[] = [];
  for (let i = 0; i < scores.length; i += 1) if (labels[i] === label) picked.push(scores[i]!);
  return Float64Array.from(picked);
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function variance(values: Float64Array): number {
  const centre = mean(values);
  return values.length < 2 ? 0 : values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}
