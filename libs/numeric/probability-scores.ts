import { type Estimate, meanEstimate } from './estimate.js';
import { generator } from './generator.js';

/** Probabilities closer to 0 or 1 than this are taken as this: one sure mistake would else be infinitely bad. */
const clip = 1e-7;

/** Negative log-likelihood of a 0/1 label, in nats. @param probability of class 1, 0..1; cut to [1e-7, 1 - 1e-7] */
export function loglossOf(probability: number, label: number): number {
  const p = Math.min(1 - clip, Math.max(clip, probability));
  return label === 1 ? -Math.log(p) : -Math.log1p(-p);
}

/**
 * Mean negative log-likelihood of 0/1 labels, natural logarithm, with its normal interval. Empty input gives NaN.
 * @param probabilities of class 1, 0..1
 */
export function logloss(probabilities: ArrayLike<number>, labels: ArrayLike<number>): Estimate {
  return meanEstimate(Float64Array.from({ length: labels.length }, (_, i) => loglossOf(probabilities[i]!, labels[i]!)));
}

/** Mean squared difference of probability and 0/1 label (Brier 1950), with its normal interval. Empty input gives NaN. */
export function brier(probabilities: ArrayLike<number>, labels: ArrayLike<number>): Estimate {
  return meanEstimate(Float64Array.from({ length: labels.length }, (_, i) => (probabilities[i]! - labels[i]!) ** 2));
}

const bins = 15;
const resamples = 200;

/**
 * Expected calibration error: the mean distance, over 15 bins of equal width, between what was predicted and what happened, weighted by rows (Naeini et al. 2015). The
 * interval is of 200 seeded bootstrap resamples of the bins' rows, so that the same input gives the same numbers. Empty input gives NaN.
 */
export function ece(probabilities: ArrayLike<number>, labels: ArrayLike<number>): Estimate {
  const n = labels.length;
  if (n === 0) return { value: Number.NaN, low: Number.NaN, high: Number.NaN };
  const value = eceOf(probabilities, labels, n, (i) => i);
  const random = generator(20_010_610);
  const drawn = Float64Array.from({ length: resamples }, () =>
    eceOf(probabilities, labels, n, () => Math.floor(random() * n)),
  ).sort();
  return {
    value,
    low: Math.min(value, drawn[Math.floor(resamples * 0.025)]!),
    high: Math.max(value, drawn[Math.floor(resamples * 0.975)]!),
  };
}

function eceOf(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  n: number,
  rowOf: (i: number) => number,
): number {
  const predicted = new Float64Array(bins);
  const happened = new Float64Array(bins);
  for (let i = 0; i < n; i += 1) {
    const row = rowOf(i);
    const bin = Math.min(bins - 1, Math.floor(probabilities[row]! * bins));
    predicted[bin]! += probabilities[row]!;
    happened[bin]! += labels[row]!;
  }
  return predicted.reduce((sum, total, bin) => sum + Math.abs(total - happened[bin]!), 0) / n;
}
