import type { FeatureDrift, GetDriftResponse } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { DriftStatistic, TabularModelSpec, MonitorSpec } from '#libs/definitions/definition-kinds.js';
import { logloss } from '#libs/numeric/probability-scores.js';
import { measureDrift } from '../domain/measure-drift.js';
import type { LoggedScores } from '../domain/logged-scores.js';
import { type MovedFeature, movedFeatures } from '../domain/moved-features.js';
import { answeredAndLabelled, binaryPerformance, conceptOf } from '../domain/performance.js';
import { type Figures, needsExplanation } from '../domain/watch-endpoint.js';
import type { PredictionLogStore } from './prediction-log.store.js';
import type { ReferenceKeeper } from './reference.keeper.js';
import type { VersionReferences } from './version-references.js';
import type { EndpointNow, LogWindow, WatchingStore } from './watching.store.js';

const dayMs = 86_400_000;
/** So many windows say what is usual; a feature that broke in the last of them does not move their median. */
const windowsBefore = 7;
const leastRowsBefore = 100;

interface Known {
  readonly models: ReadonlyMap<string, TabularModelSpec>;
  readonly versions: ReadonlyMap<string, ModelVersion>;
}

/** Measures what a Monitor watches. Windows are of event time and end at the newest prediction, those of performance at the newest labelled one. */
export class FiguresReader {
  private readonly last = new Map<string, string>();
  private readonly reading = new Map<string, string>();

  constructor(
    private readonly store: WatchingStore,
    private readonly predictions: PredictionLogStore,
    private readonly references: ReferenceKeeper,
    private readonly brought: VersionReferences,
    private readonly known: Known,
  ) {}

  /** Undefined = nothing was predicted yet, or nothing is new since the figures that were `seen`. */
  async readNew(spec: MonitorSpec): Promise<Figures | undefined> {
    const now = await this.store.endpointNow(spec.endpoint);
    if (now === undefined) return undefined;
    await this.references.addScore(spec.endpoint, now.model, now.version);
    const labels = await this.store.labelsNow(now.model);
    const references = (await this.references.referencesOf(now.model, now.version)).length;
    const calibrated = (await this.brought.of(`${now.model}@${now.version}`)) !== undefined;
    const state = JSON.stringify([spec, now, labels, references, calibrated]);
    if (this.last.get(spec.name) === state) return undefined;
    this.reading.set(spec.name, state);
    return this.figures(spec, now, labels);
  }

  /** What was read last has been acted on. */
  seen(spec: MonitorSpec): void {
    this.last.set(spec.name, this.reading.get(spec.name) ?? '');
  }

  /** Drift of every feature that has a reference; none = the reference is not made yet. */
  async drift(
    now: EndpointNow,
    window: LogWindow,
    statistic: DriftStatistic,
    threshold: number | 'auto',
  ): Promise<Omit<GetDriftResponse, 'modelVersion' | 'statistic'>> {
    const references = await this.references.referencesOf(now.model, now.version);
    const counts = references.length === 0 ? [] : await this.store.binCounts(now.model, window);
    const features: FeatureDrift[] = measureDrift(references, counts, statistic, threshold);
    const rows = features.reduce((most, one) => Math.max(most, one.rows), 0);
    return { features, rows, fromMs: window.from, toMs: window.to };
  }

  private async figures(
    spec: MonitorSpec,
    now: EndpointNow,
    labels: { labels: number; newestMs: number },
  ): Promise<Figures> {
    const [drift, performance, concept, missing] = [
      await this.driftOf(spec, now),
      await this.performanceOf(spec, now),
      await this.conceptOf(spec, now),
      await this.labelsOf(spec, now),
    ];
    const { model, version, newestMs } = now;
    const figures: Figures = {
      model,
      version,
      newestMs,
      ...(drift === undefined ? {} : { drift }),
      ...(performance === undefined ? {} : { performance }),
      ...(concept === undefined ? {} : { concept }),
      ...(missing === undefined ? {} : { labels: missing }),
      ...(labels.labels === 0 ? {} : { newestEventMs: labels.newestMs }),
    };
    const window = concept ?? performance;
    if (window === undefined || !needsExplanation(spec, figures)) return figures;
    return { ...figures, moved: await this.moved(spec, now, window.fromMs, window.toMs) };
  }

  /** What drifts more in a window of labelled predictions than in windows of its length before. */
  private async moved(spec: MonitorSpec, now: EndpointNow, fromMs: number, toMs: number): Promise<MovedFeature[]> {
    const driftIn = async (from: number, to: number): Promise<FeatureDrift[]> =>
      (await this.drift(now, { endpoint: spec.endpoint, version: now.version, from, to }, 'psi', 'auto')).features;
    const length = toMs - fromMs;
    const before: FeatureDrift[][] = [];
    for (let back = 1; back <= windowsBefore; back += 1)
      before.push(await driftIn(fromMs - back * length, fromMs - (back - 1) * length));
    const enough = before.filter((features) => features.some(({ rows }) => rows >= leastRowsBefore));
    return movedFeatures(await driftIn(fromMs, toMs), enough);
  }

  private async driftOf(spec: MonitorSpec, now: EndpointNow): Promise<Figures['drift']> {
    // A performance alert names the most drifted features too, where the Monitor does not watch drift itself.
    const windowMs = spec.drift?.windowMs ?? spec.performance?.windowMs;
    if (windowMs === undefined) return undefined;
    const to = now.newestMs + 1;
    const window = { endpoint: spec.endpoint, version: now.version, from: to - windowMs, to };
    return this.drift(now, window, spec.drift?.statistic ?? 'psi', spec.drift?.threshold ?? 'auto');
  }

  private async performanceOf(spec: MonitorSpec, now: EndpointNow): Promise<Figures['performance']> {
    if (spec.performance === undefined) return undefined;
    const found = await this.labelled(spec, now, spec.performance.windowMs);
    if (found === undefined) return undefined;
    const { metric } = spec.performance;
    const { scores, labels } = found.rows;
    const isLabelled = (_: number, i: number): boolean => !Number.isNaN(labels[i]!);
    const labelled = labels.filter(isLabelled);
    const value = binaryPerformance(scores.filter(isLabelled), labelled)[metric];
    const validation = this.known.versions.get(`${now.model}@${now.version}`)?.metrics[`validate.${metric}`];
    return value && { ...found.window, rows: labelled.length, value, validation };
  }

  private async conceptOf(spec: MonitorSpec, now: EndpointNow): Promise<Figures['concept']> {
    if (spec.concept === undefined || !this.brought.brings(`${now.model}@${now.version}`)) return undefined;
    const found = await this.labelled(spec, now, spec.concept.windowMs);
    if (found === undefined) return undefined;
    const { scores, labels } = answeredAndLabelled(found.rows);
    const value = conceptOf(found.rows, await this.brought.calibrations(found.rows.versions));
    return value && { ...found.window, rows: labels.length, value, realised: logloss(scores, labels).value };
  }

  /** The predictions of a version in the window that ends at the newest labelled one. */
  private async labelled(
    spec: MonitorSpec,
    now: EndpointNow,
    windowMs: number,
  ): Promise<{ window: { fromMs: number; toMs: number }; rows: LoggedScores } | undefined> {
    const newest = await this.store.newestLabelled(spec.endpoint, now.version);
    if (newest === undefined) return undefined;
    const window = { fromMs: newest + 1 - windowMs, toMs: newest + 1 };
    const rows = await this.predictions.scores(spec.endpoint, now.version, window.fromMs, window.toMs);
    return { window, rows };
  }

  private async labelsOf(spec: MonitorSpec, now: EndpointNow): Promise<Figures['labels']> {
    const horizonMs = this.known.models.get(now.model)?.label.horizonMs;
    if (spec.labels === undefined || horizonMs === undefined) return undefined;
    const toMs = now.newestMs - horizonMs;
    const fromMs = toMs - (spec.performance?.windowMs ?? spec.drift?.windowMs ?? dayMs);
    return { fromMs, toMs, ...(await this.store.missingLabels(spec.endpoint, fromMs, toMs)) };
  }
}
