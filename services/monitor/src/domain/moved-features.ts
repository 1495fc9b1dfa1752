import type { FeatureDrift } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';

/** A feature that has drifted further from the training set than it usually does. */
export interface MovedFeature {
  readonly feature: string;
  readonly psi: number;
  /** Median of the windows before; NaN = there are none. */
  readonly usual: number;
}

/** Siddiqi 2006: below it a PSI is no change, and a multiple of it says nothing. */
const noChange = 0.1;
const leastMultiple = 2;

/**
 * Features that are over their threshold now and at twice what they usually are, furthest beyond that first. The weather of a week, or a feature that grows by the calendar, drifts
 * in clean windows too: what to look at is what does so more than before. The score is left out, as it follows the features.
 * @param now drift by PSI in the window in question @param before in windows of the same length before it
 */
export function movedFeatures(
  now: readonly FeatureDrift[],
  before: readonly (readonly FeatureDrift[])[],
): MovedFeature[] {
  return now
    .filter(({ feature, drifted }) => drifted && feature !== 'score')
    .map(({ feature, psi }) => ({
      feature,
      psi,
      usual: median(before.map((window) => window.find((one) => one.feature === feature)?.psi ?? Number.NaN)),
    }))
    .filter((one) => multiple(one) >= leastMultiple)
    .sort((a, b) => multiple(b) - multiple(a));
}

function multiple({ psi, usual }: MovedFeature): number {
  return psi / (usual > noChange ? usual : noChange); // NaN is not above
}

function median(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const middle = known.length >>> 1;
  return known.length % 2 === 1 ? known[middle]! : (known[middle - 1]! + known[middle]!) / 2; // of none: NaN
}
