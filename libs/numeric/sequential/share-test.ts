import { binomialBounds } from './binomial-bounds.js';
import { bisect } from './bisect.js';

/** What both versions did side by side while the traffic was split in one way. */
export interface Stratum {
  readonly candidateErrors: number;
  /** Rows that the candidate tried, failed ones too. */
  readonly candidateRows: number;
  readonly liveErrors: number;
  readonly liveRows: number;
}

/** What the candidate does worse, with bounds that hold at every look: each of the two misses with a chance of at most alpha. NaN and infinite where nothing is known. */
export interface Harm {
  readonly harm: number;
  readonly low: number;
  readonly high: number;
}

/** Log rate ratios above the one that is tested, a half-normal mixture of deviation 1 on a grid; any fixed weights are valid, these suit ratios of 1.3 to 8. */
const excesses = Array.from({ length: 40 }, (_, i) => (i + 1) / 10);
const density = excesses.map((excess) => Math.exp((-excess * excess) / 2));
const whole = density.reduce((sum, one) => sum + one, 0);
const weights = density.map((one) => one / whole);
const widestLogRatio = 20;

/**
 * Logarithm of the e-process against "the candidate's error rate is at most exp(logRatio) times the live one's" (Lindon and Malek 2022, arXiv 2011.03567): whatever the rate
 * is at the moment, an error belongs to the candidate with the chance share * r / (share * r + 1 - share), where share is the candidate's part of the rows of the stratum and
 * r the rate ratio. Incidents that hit both versions, and steps that split the traffic differently, therefore prove nothing. The shares are the realised ones.
 */
export function logErrorEvidence(strata: readonly Stratum[], logRatio: number): number {
  const base = logLikelihood(strata, logRatio);
  const terms = excesses.map((excess) => logLikelihood(strata, logRatio + excess) - base);
  const largest = Math.max(...terms);
  return largest + Math.log(terms.reduce((sum, term, i) => sum + weights[i]! * Math.exp(term - largest), 0));
}

/**
 * Error share of the candidate less that of the live version, -1..1. `low` is above 0 exactly when the e-process rejects that the candidate is as good; it is then the
 * candidate's least share times what the least rate ratio says of it. `high` compares the two arms' binomial bounds at alpha/2 each. No rows of one arm: NaN, -1, 1.
 */
export function errorHarm(strata: readonly Stratum[], alpha: number): Harm {
  const sum = (what: keyof Stratum): number => strata.reduce((total, one) => total + one[what], 0);
  if (sum('candidateRows') === 0 || sum('liveRows') === 0) return { harm: Number.NaN, low: -1, high: 1 };
  const candidate = binomialBounds(sum('candidateErrors'), sum('candidateRows'), alpha / 2);
  const live = binomialBounds(sum('liveErrors'), sum('liveRows'), alpha / 2);
  const ratio = leastRatio(strata, alpha);
  const low = ratio > 1 ? candidate.low * (1 - 1 / ratio) : Math.min(0, candidate.low - live.high);
  return { harm: difference(strata), low, high: Math.max(low, candidate.high - live.low) };
}

/** Lower bound of the rate ratio where it is above 1; 1 = not known to be. The evidence falls with the ratio, for the likelihood is concave in its logarithm. */
function leastRatio(strata: readonly Stratum[], alpha: number): number {
  const rejected = (logRatio: number): boolean => logErrorEvidence(strata, logRatio) >= -Math.log(alpha);
  return rejected(0) ? Math.exp(Math.max(Number.EPSILON, bisect(0, widestLogRatio, rejected).from)) : 1;
}

function logLikelihood(strata: readonly Stratum[], logRatio: number): number {
  const ratio = Math.exp(logRatio);
  let sum = 0;
  for (const { candidateErrors, candidateRows, liveErrors, liveRows } of strata) {
    const share = candidateRows / (candidateRows + liveRows || 1);
    const all = candidateErrors + liveErrors;
    if (all > 0) sum += candidateErrors * logRatio - all * Math.log(1 - share + share * ratio);
  }
  return sum;
}

/** The strata's differences, weighted as by Mantel and Haenszel; strata with one arm alone say nothing; NaN where all are so. */
function difference(strata: readonly Stratum[]): number {
  let [weighted, weights] = [0, 0];
  for (const { candidateErrors, candidateRows, liveErrors, liveRows } of strata) {
    if (candidateRows === 0 || liveRows === 0) continue;
    const weight = (candidateRows * liveRows) / (candidateRows + liveRows);
    weighted += weight * (candidateErrors / candidateRows - liveErrors / liveRows);
    weights += weight;
  }
  return weighted / weights;
}
