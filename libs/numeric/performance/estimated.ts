import { type Estimate, z95 } from '../estimate.js';
import { loglossOf } from '../probability-scores.js';
import type { CalibratedRows } from './calibration.js';

/** What a metric of a binary model is expected to be. */
export type Estimated = Partial<Record<'auc' | 'logloss' | 'brier' | 'base_rate', Estimate>>;

/**
 * What the metrics of a binary model will be once labels are there, from its scores alone: confidence-based performance estimation (CBPE, as NannyML calls it; the expected
 * confusion of Guerrero-Curieses et al. 2004). Each row counts as class 1 with its calibrated chance p and as class 0 with 1 - p; the metric is that of the scores themselves.
 * Right as long as a score means what it did on the validation rows. The 95 % interval is of both samples: rows such as these (of auc DeLong's with fractions for labels), and
 * the calibration. No rows give nothing; auc is left out where one class is not expected at all.
 */
export function estimatedPerformance(rows: CalibratedRows): Estimated {
  if (rows.scores.length === 0) return {};
  const area = expectedAuc(rows);
  return {
    ...(area === undefined ? {} : { auc: area }),
    logloss: expectedMean(rows, (score, label) => loglossOf(score, label)),
    brier: expectedMean(rows, (score, label) => (score - label) ** 2, 1),
    base_rate: expectedMean(rows, (_, label) => label, 1),
  };
}

/** The mean of a loss whose rows have their label by chance. */
function expectedMean(rows: CalibratedRows, loss: (score: number, label: 0 | 1) => number, most = Infinity): Estimate {
  const { scores, probabilities } = rows;
  const n = scores.length;
  const gradient = new Float64Array(n);
  let [sum, squares] = [0, 0];
  for (let i = 0; i < n; i += 1) {
    const [one, zero, p] = [loss(scores[i]!, 1), loss(scores[i]!, 0), probabilities[i]!];
    sum += p * one + (1 - p) * zero;
    squares += p * one * one + (1 - p) * zero * zero;
    gradient[i] = (one - zero) / n;
  }
  const value = sum / n;
  return around(value, Math.max(0, squares / n - value * value) / n + rows.variance(gradient), most);
}

function expectedAuc(rows: CalibratedRows): Estimate | undefined {
  const { scores, probabilities } = rows;
  const positives = probabilities.reduce((sum, p) => sum + p, 0);
  const negatives = scores.length - positives;
  if (!(positives > 0) || !(negatives > 0)) return undefined;
  // Of each row: the share of expected negatives that it beats, and of expected positives that beat it, ties counting half.
  const { beaten, beating } = standings(scores, probabilities, positives, negatives);
  let value = 0;
  for (let i = 0; i < scores.length; i += 1) value += (probabilities[i]! * beaten[i]!) / positives;
  const gradient = new Float64Array(scores.length);
  let [spreadOfPositives, spreadOfNegatives] = [0, 0];
  for (let i = 0; i < scores.length; i += 1) {
    const [p, over, under] = [probabilities[i]!, beaten[i]! - value, beating[i]! - value];
    spreadOfPositives += (p * over * over) / positives;
    spreadOfNegatives += ((1 - p) * under * under) / negatives;
    gradient[i] = over / positives - under / negatives;
  }
  const sampling = spreadOfPositives / positives + spreadOfNegatives / negatives;
  return around(value, sampling + rows.variance(gradient), 1);
}

function standings(
  scores: Float64Array,
  probabilities: Float64Array,
  positives: number,
  negatives: number,
): { beaten: Float64Array; beating: Float64Array } {
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  const [beaten, beating] = [new Float64Array(scores.length), new Float64Array(scores.length)];
  let [positivesBelow, negativesBelow] = [0, 0];
  for (let from = 0; from < order.length;) {
    let to = from;
    let [ties, tiedPositives] = [0, 0];
    for (; to < order.length && scores[order[to]!] === scores[order[from]!]; to += 1) {
      ties += 1;
      tiedPositives += probabilities[order[to]!]!;
    }
    for (let i = from; i < to; i += 1) {
      beaten[order[i]!] = (negativesBelow + (ties - tiedPositives) / 2) / negatives;
      beating[order[i]!] = (positives - positivesBelow - tiedPositives / 2) / positives;
    }
    positivesBelow += tiedPositives;
    negativesBelow += ties - tiedPositives;
    from = to;
  }
  return { beaten, beating };
}

function around(value: number, variance: number, most: number): Estimate {
  const half = z95 * Math.sqrt(variance);
  return { value, low: Math.max(0, value - half), high: Math.min(most, value + half) };
}
