import { auc } from '#libs/numeric/auc.js';
import { type Estimate, wilson } from '#libs/numeric/estimate.js';
import { calibrate, type CalibratedRows, type CalibrationBin } from '#libs/numeric/performance/calibration.js';
import { conceptDrift } from '#libs/numeric/performance/concept.js';
import { estimatedPerformance } from '#libs/numeric/performance/estimated.js';
import { brier, ece, logloss } from '#libs/numeric/probability-scores.js';
import { type LoggedScores, placesBy, placesWhere, rowsAt } from './logged-scores.js';

/** What scores meant on the validation rows, by `<model>@<version>`; a version without a reference is not there. */
export type Calibrations = ReadonlyMap<string, readonly CalibrationBin[]>;

export interface Performance {
  readonly predictions: number;
  readonly labelled: number;
  readonly metrics: Record<string, Estimate>;
  readonly estimated: Record<string, Estimate>;
}

/** A window of as_of, from inclusive, to exclusive, or a value of the segment's column. */
export type PerformancePart = Performance & {
  readonly segment: string;
  readonly fromMs: number;
  readonly toMs: number;
};

export const mostSegments = 200;

/** Metrics of a binary model on its labelled predictions; none without labels. @param labels 0 or 1 @param withEce its interval costs 200 resamples */
export function binaryPerformance(
  scores: Float64Array,
  labels: Float64Array,
  withEce = true,
): Record<string, Estimate> {
  if (labels.length === 0) return {};
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const all = {
    auc: auc(scores, labels),
    logloss: logloss(scores, labels),
    brier: brier(scores, labels),
    ...(withEce ? { ece: ece(scores, labels) } : {}),
    base_rate: wilson(positives, labels.length),
  };
  return Object.fromEntries(Object.entries(all).filter(([, { value }]) => !Number.isNaN(value)));
}

/** Realised on the labelled rows, estimated on all that a model answered. */
export function performanceOf(rows: LoggedScores, calibrations: Calibrations, withEce = true): Performance {
  const labelled = rowsAt(rows, placesWhere(rows, isLabelled(rows)));
  const answered = calibratedRows(
    rowsAt(
      rows,
      placesWhere(rows, (i) => !rows.fallbacks[i]!),
    ),
    calibrations,
  );
  return {
    predictions: rows.scores.length,
    labelled: labelled.scores.length,
    metrics: binaryPerformance(labelled.scores, labelled.labels, withEce),
    estimated: answered === undefined ? {} : estimatedPerformance(answered),
  };
}

/** Concept drift of the labelled rows that a model answered; undefined where there are fewer than two, or a version has no reference. */
export function conceptOf(rows: LoggedScores, calibrations: Calibrations): Estimate | undefined {
  const labelled = answeredAndLabelled(rows);
  const calibrated = calibratedRows(labelled, calibrations);
  return calibrated && conceptDrift(calibrated, labelled.labels);
}

export function answeredAndLabelled(rows: LoggedScores): LoggedScores {
  const known = isLabelled(rows);
  return rowsAt(
    rows,
    placesWhere(rows, (i) => known(i) && !rows.fallbacks[i]!),
  );
}

/** By value of the segment's column, most predictions first, at most 200. */
export function segmentsOf(rows: LoggedScores, calibrations: Calibrations): PerformancePart[] {
  return [...placesBy(rows, (i) => rows.parts[i]!)]
    .sort(([a, one], [b, other]) => other.length - one.length || (a < b ? -1 : 1))
    .slice(0, mostSegments)
    .map(([segment, places]) => ({
      segment,
      fromMs: 0,
      toMs: 0,
      ...performanceOf(rowsAt(rows, places), calibrations, false),
    }));
}

/** By windows of as_of that begin at multiples of their length since 1970, oldest first, empty ones left out. @param stepMs > 0 */
export function windowsOf(rows: LoggedScores, calibrations: Calibrations, stepMs: number): PerformancePart[] {
  return [...placesBy(rows, (i) => Math.floor(rows.atMs[i]! / stepMs))]
    .sort(([a], [b]) => a - b)
    .map(([window, places]) => ({
      segment: '',
      fromMs: window * stepMs,
      toMs: (window + 1) * stepMs,
      ...performanceOf(rowsAt(rows, places), calibrations, false),
    }));
}

function isLabelled({ labels }: LoggedScores): (i: number) => boolean {
  return (i) => !Number.isNaN(labels[i]!);
}

/** Undefined where a version that answered has no reference: what its scores mean is not known. */
function calibratedRows(rows: LoggedScores, calibrations: Calibrations): CalibratedRows | undefined {
  const places = new Map([...new Set(rows.versions)].map((version, place) => [version, place]));
  const bins = [...places.keys()].map((version) => calibrations.get(version) ?? []);
  if (bins.some(({ length }) => length === 0)) return undefined;
  return calibrate(
    rows.scores,
    bins,
    Uint16Array.from(rows.versions, (version) => places.get(version)!),
  );
}
