export type DistanceName = 'psi' | 'ks' | 'js' | 'wasserstein';

/** The field's rules of thumb: PSI as credit scoring has it (Siddiqi 2006: 0.25 = major), the others Evidently's 0.1. */
const rulesOfThumb = { psi: 0.25, ks: 0.1, js: 0.1, wasserstein: 0.1 } as const;

/** Without drift PSI / (1/n + 1/m) is chi-squared with bins - 1 degrees of freedom (Yurdakul 2018), whose 99.9 % quantile is 3 times its mean at 10 degrees. */
const psiFactor = 3;
/** sqrt(-ln(0.001 / 2) / 2): the asymptotic 99.9 % quantile of D / sqrt(1/n + 1/m) (Smirnov 1948). */
const ksFactor = 1.9495;
/** No law for all distributions; of normal values less than one in a thousand is above (measured in the spec). */
const wassersteinFactor = 3;

/**
 * What a statistic has to exceed for drift: the rule of thumb, or what the number of rows alone explains in all but about one window of a thousand, whichever is larger.
 * No rows give Infinity. With less than ten rows a bin what fills the empty ones makes PSI larger than chi-squared says: ask for a hundred rows.
 * @param reference rows @param current rows @param bins of PSI and JS
 */
export function autoThreshold(statistic: DistanceName, reference: number, current: number, bins: number): number {
  const spread = 1 / reference + 1 / current;
  const psi = psiFactor * Math.max(1, bins - 1) * spread;
  const bySize = {
    psi,
    // Small divergences: Jensen-Shannon's is an eighth of PSI.
    js: Math.sqrt(psi / 8),
    ks: ksFactor * Math.sqrt(spread),
    wasserstein: wassersteinFactor * Math.sqrt(spread),
  };
  return Math.max(rulesOfThumb[statistic], bySize[statistic]);
}
