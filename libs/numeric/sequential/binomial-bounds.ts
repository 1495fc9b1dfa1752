import { bisect } from './bisect.js';
import { logBeta } from './log-gamma.js';

export interface Bounds {
  readonly low: number;
  readonly high: number;
}

/** The mixture Beta(1/2, 10): most of its weight below 0.15, as shares of errors and of slow answers are; valid for every share, only wider at large ones. */
const [a, b] = [0.5, 10];

/**
 * Lower and upper bound of a proportion that hold together, and at every number of trials at once, with chance 1 - alpha: one may look as often as one likes. Robbins' method
 * of mixtures (Robbins 1970; Howard et al. 2021, arXiv 1810.08240): the shares p against which the Bayes factor of the beta-binomial mixture is below 1/alpha; that factor is
 * a martingale of mean 1 under p, which Ville's inequality bounds. No trials give [0, 1].
 * @param successes 0..trials
 * @param alpha 0..1
 */
export function binomialBounds(successes: number, trials: number, alpha: number): Bounds {
  if (trials === 0) return { low: 0, high: 1 };
  const limit = -Math.log(alpha);
  const mixture = logMixture(successes, trials);
  const outside = (p: number): boolean => mixture - logLikelihood(p, successes, trials) >= limit;
  const share = successes / trials;
  return {
    low: successes === 0 ? 0 : bisect(0, share, outside).from,
    high: successes === trials ? 1 : bisect(share, 1, (p) => !outside(p)).to,
  };
}

/** Logarithm of the Bayes factor of the mixture against the share p, 0 < p < 1: its mean under p is 1 for every number of trials. */
export function logBayesFactor(p: number, successes: number, trials: number): number {
  return logMixture(successes, trials) - logLikelihood(p, successes, trials);
}

function logMixture(successes: number, trials: number): number {
  return logBeta(a + successes, b + trials - successes) - logBeta(a, b);
}

function logLikelihood(p: number, successes: number, trials: number): number {
  return successes * Math.log(p) + (trials - successes) * Math.log1p(-p);
}
