import type { FeatureDrift } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { MonitorSpec } from '#libs/definitions/definition-kinds.js';
import type { Estimate } from '#libs/numeric/estimate.js';
import type { MovedFeature } from './moved-features.js';

export const breaches = ['performance', 'concept', 'drift', 'missing-labels', 'freshness'] as const;
export type Breach = (typeof breaches)[number];

interface Window {
  /** as_of, from inclusive, to exclusive, epoch ms. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** What was measured on an endpoint; a part that could not be is absent. */
export interface Figures {
  readonly model: string;
  readonly version: string;
  readonly newestMs: number;
  /** Most drifted first. */
  readonly drift?: Window & { readonly rows: number; readonly features: readonly FeatureDrift[] };
  /** Of labelled predictions. `validation` is what the same metric was when the version was trained. */
  readonly performance?: Window & {
    readonly rows: number;
    readonly value: Estimate;
    readonly validation: number | undefined;
  };
  /** Concept drift: log-loss of labelled predictions, and what their calibrated scores expect. */
  readonly concept?: Window & { readonly rows: number; readonly value: Estimate; readonly realised: number };
  /** Furthest beyond what they usually do first, in the window of what is breached of performance and concept; absent = nothing is. */
  readonly moved?: readonly MovedFeature[];
  readonly labels?: Window & { readonly due: number; readonly missing: number };
  /** Event time of the newest event that the model's labels come from. */
  readonly newestEventMs?: number;
}

/** Of one thing that a Monitor watches. */
export interface Finding {
  readonly breach: Breach;
  readonly breached: boolean;
  /** One sentence that a person can act on. */
  readonly summary: string;
  readonly value: number;
  readonly threshold: number;
  readonly features: readonly string[];
  readonly eventTimeMs: number;
}

/** Labels are looked for among so many due predictions at least, where the Monitor names no number. */
const leastDue = 100;
const namedFeatures = 5;

/** What a Monitor finds in the figures. What too little is known of is not among the findings: no breach, and no all-clear. */
export function watchEndpoint(spec: MonitorSpec, figures: Figures): Finding[] {
  return [
    performanceFinding(spec, figures),
    conceptFinding(spec, figures),
    driftFinding(spec, figures),
    labelsFinding(spec, figures),
    freshnessFinding(spec, figures),
  ].filter((finding) => finding !== undefined);
}

function driftFinding(spec: MonitorSpec, { drift, version }: Figures): Finding | undefined {
  if (spec.drift === undefined || drift === undefined || drift.rows < spec.drift.minRows) return undefined;
  const { statistic, minRows } = spec.drift;
  // Of a log that keeps the features of a sample alone, the score has more rows than they.
  const known = drift.features.filter(({ rows }) => rows >= minRows);
  const first = known.find((one) => !Number.isNaN(one[statistic]));
  if (first === undefined) return undefined;
  const drifted = known.filter((one) => one.drifted);
  const numbers = `${statistic} ${text(first[statistic])}, threshold ${text(first.threshold)}`;
  return {
    breach: 'drift',
    breached: drifted.length > 0,
    summary:
      drifted.length > 0
        ? `${first.feature} has drifted from the training set: ${numbers}; ${drifted.length} of ${drift.features.length} features over theirs, ${drift.rows} predictions ${span(drift)}, version ${version}`
        : `no feature has drifted from the training set: the largest is ${first.feature}, ${numbers}; ${drift.rows} predictions ${span(drift)}, version ${version}`,
    value: first[statistic],
    threshold: first.threshold,
    features: (drifted.length > 0 ? drifted : [first]).slice(0, namedFeatures).map(({ feature }) => feature),
    eventTimeMs: drift.toMs,
  };
}

/** A breach needs the whole 95 % interval beyond the limit: a metric that looks bad by chance of few labels is none. */
function performanceFinding(spec: MonitorSpec, figures: Figures): Finding | undefined {
  const { performance } = figures;
  if (spec.performance === undefined || performance === undefined) return undefined;
  const { metric, minRows } = spec.performance;
  const limit = limitOf(spec.performance, performance.validation);
  const { value, low, high } = performance.value;
  if (limit === undefined || performance.rows < minRows || Number.isNaN(low + high)) return undefined;
  const breached = metric === 'auc' ? high < limit : low > limit;
  const moved = breached ? figures.moved : undefined;
  const of = performance.validation === undefined ? '' : `, validation ${text(performance.validation)}`;
  const drifted = (figures.drift?.features ?? []).filter((one) => !Number.isNaN(one.psi));
  return {
    breach: 'performance',
    breached,
    summary: `${metric} ${text(value)} [${text(low)}, ${text(high)}] is ${breached ? 'beyond' : 'within'} its limit ${text(limit)}${of}: ${performance.rows} labelled predictions ${span(performance)}, version ${figures.version}${movement(moved)}`,
    value,
    threshold: limit,
    features: (moved ?? drifted).slice(0, namedFeatures).map(({ feature }) => feature),
    eventTimeMs: performance.toMs,
  };
}

/** A breach needs the whole 95 % interval above the margin. */
function conceptFinding(spec: MonitorSpec, { concept, moved = [], version }: Figures): Finding | undefined {
  if (spec.concept === undefined || concept === undefined || concept.rows < spec.concept.minRows) return undefined;
  const { value, low, high } = concept.value;
  const { margin } = spec.concept;
  const breached = low > margin;
  const than = `log-loss ${text(concept.realised)} is ${text(value)} [${text(low)}, ${text(high)}] more than the ${text(concept.realised - value)} that calibrated scores of the same rows expect, ${breached ? 'beyond' : 'within'} the margin ${text(margin)}`;
  return {
    breach: 'concept',
    breached,
    summary: `${breached ? 'scores do not mean any more what they did at validation: ' : ''}${than}: ${concept.rows} labelled predictions ${span(concept)}, version ${version}${breached ? movement(moved) : ''}`,
    value,
    threshold: margin,
    features: breached ? moved.slice(0, namedFeatures).map(({ feature }) => feature) : [],
    eventTimeMs: concept.toMs,
  };
}

/** Whether figures of labelled predictions breach what the Monitor allows, so that it is worth knowing which features have moved. */
export function needsExplanation(spec: MonitorSpec, figures: Figures): boolean {
  return [performanceFinding(spec, figures), conceptFinding(spec, figures)].some((finding) => finding?.breached);
}

function movement(moved: readonly MovedFeature[] | undefined): string {
  if (moved === undefined) return '';
  if (moved.length === 0)
    return '; no feature has moved beyond what it usually does: look at what the label depends on and the model is not told';
  const usual = (value: number): string => (Number.isNaN(value) ? '' : `, usually ${text(value)}`);
  const named = moved.slice(0, namedFeatures).map((one) => `${one.feature} (psi ${text(one.psi)}${usual(one.usual)})`);
  return `; moved beyond what they usually do: ${named.join(', ')}`;
}

function limitOf(spec: NonNullable<MonitorSpec['performance']>, validation: number | undefined): number | undefined {
  if (spec.limit !== undefined) return spec.limit;
  if (validation === undefined || spec.maxIncrease === undefined) return undefined;
  return validation * (spec.metric === 'auc' ? 1 - spec.maxIncrease : 1 + spec.maxIncrease);
}

function labelsFinding(spec: MonitorSpec, { labels, version }: Figures): Finding | undefined {
  const least = spec.performance?.minRows ?? spec.drift?.minRows ?? leastDue;
  if (spec.labels === undefined || labels === undefined || labels.due < least) return undefined;
  const share = labels.missing / labels.due;
  const threshold = spec.labels.maxMissing;
  return {
    breach: 'missing-labels',
    breached: share > threshold,
    summary: `${text(100 * share)} % of ${labels.due} predictions older than the label's horizon have no label, threshold ${text(100 * threshold)} %: ${span(labels)}, version ${version}; look at the stream that the label comes from`,
    value: share,
    threshold,
    features: [],
    eventTimeMs: labels.toMs,
  };
}

function freshnessFinding(spec: MonitorSpec, { newestEventMs, newestMs, version }: Figures): Finding | undefined {
  if (spec.freshness === undefined || newestEventMs === undefined) return undefined;
  const lagMs = Math.max(0, newestEventMs - newestMs);
  const { maxLagMs } = spec.freshness;
  return {
    breach: 'freshness',
    breached: lagMs > maxLagMs,
    summary: `the newest prediction (${instant(newestMs)}, version ${version}) lies ${text(lagMs / 60_000)} minutes behind the newest labelled event (${instant(newestEventMs)}), threshold ${text(maxLagMs / 60_000)} minutes`,
    value: lagMs,
    threshold: maxLagMs,
    features: [],
    eventTimeMs: newestEventMs,
  };
}

const text = (value: number): string => String(Number(value.toPrecision(4)));
const instant = (ms: number): string => new Date(ms).toISOString();
const span = ({ fromMs, toMs }: Window): string => `from ${instant(fromMs)} to ${instant(toMs)}`;
