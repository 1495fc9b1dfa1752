import type { FeatureDrift } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { jensenShannon, ksOfHistograms, psi, wassersteinOfHistograms } from '#libs/numeric/drift/distances.js';
import { coarsen, rowsOf, type Histogram } from '#libs/numeric/drift/histogram.js';
import { autoThreshold, type DistanceName } from '#libs/numeric/drift/thresholds.js';
import type { FeatureReference } from './reference-histograms.js';

/** Rows of a bin of a feature; bin -1 = null. */
export interface BinCount {
  readonly position: number;
  readonly bin: number;
  readonly rows: number;
}

/** Evidently's floor: a feature that never varied would else be infinitely far. */
const leastDeviation = 0.001;

/**
 * Drift of every feature of the reference, most drifted first by the statistic over its threshold. PSI and JS are over ten bins of equal share of the reference and one of nulls;
 * KS and Wasserstein over all edges, without nulls; Wasserstein in standard deviations of the reference. A feature without rows has NaN and has not drifted.
 */
export function measureDrift(
  references: readonly FeatureReference[],
  counts: readonly BinCount[],
  statistic: DistanceName,
  threshold: number | 'auto',
): FeatureDrift[] {
  return references
    .map((reference) => driftOf(reference, currentOf(reference, counts), statistic, threshold))
    .sort((a, b) => excess(b, statistic) - excess(a, statistic));
}

function driftOf(
  reference: FeatureReference,
  current: Histogram,
  statistic: DistanceName,
  threshold: number | 'auto',
): FeatureDrift {
  const bins = coarsen(reference, current);
  const values = {
    psi: psi(bins.reference, bins.current),
    js: jensenShannon(bins.reference, bins.current),
    ks: ksOfHistograms(reference, current),
    wasserstein: wassersteinOfHistograms(reference, current) / Math.max(leastDeviation, reference.deviation),
  };
  const [before, rows] = [rowsOf(reference) + reference.nulls, rowsOf(current) + current.nulls];
  const limit = threshold === 'auto' ? autoThreshold(statistic, before, rows, bins.reference.length) : threshold;
  return {
    feature: reference.feature,
    ...values,
    rows,
    nullShare: rows === 0 ? 0 : current.nulls / rows,
    referenceNullShare: before === 0 ? 0 : reference.nulls / before,
    threshold: limit,
    drifted: values[statistic] > limit,
  };
}

function currentOf({ position, edges }: FeatureReference, counts: readonly BinCount[]): Histogram {
  const mine = counts.filter((one) => one.position === position);
  const filled = new Float64Array(edges.length + 1);
  for (const { bin, rows } of mine) if (bin >= 0) filled[bin] = rows;
  return { edges, counts: filled, nulls: mine.find(({ bin }) => bin < 0)?.rows ?? 0 };
}

function excess(drift: FeatureDrift, statistic: DistanceName): number {
  const share = drift[statistic] / drift.threshold;
  return Number.isNaN(share) ? -1 : share;
}
