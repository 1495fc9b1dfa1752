import type { FeatureDrift, GetDriftResponse } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { DriftStatistic, ModelSpec, MonitorSpec } from '#libs/definitions/definition-kinds.js';
import { measureDrift } from '../domain/measure-drift.js';
import { binaryPerformance } from '../domain/performance.js';
import type { Figures } from '../domain/watch-endpoint.js';
import type { PredictionLogStore } from './prediction-log.store.js';
import type { ReferenceKeeper } from './reference.keeper.js';
import type { EndpointNow, LogWindow, WatchingStore } from './watching.store.js';

const dayMs = 86_400_000;

interface Known {
  readonly models: ReadonlyMap<string, ModelSpec>;
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
    private readonly known: Known,
  ) {}

  /** Undefined = nothing was predicted yet, or nothing is new since the figures that were `seen`. */
  async readNew(spec: MonitorSpec): Promise<Figures | undefined> {
    const now = await this.store.endpointNow(spec.endpoint);
    if (now === undefined) return undefined;
    await this.references.addScore(spec.endpoint, now.model, now.version);
    const labels = await this.store.labelsNow(now.model);
    const references = (await this.references.referencesOf(now.model, now.version)).length;
    const state = JSON.stringify([spec, now, labels, references]);
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
    const [drift, performance, missing] = [
      await this.driftOf(spec, now),
      await this.performanceOf(spec, now),
      await this.labelsOf(spec, now),
    ];
    const { model, version, newestMs } = now;
    return {
      model,
      version,
      newestMs,
      ...(drift === undefined ? {} : { drift }),
      ...(performance === undefined ? {} : { performance }),
      ...(missing === undefined ? {} : { labels: missing }),
      ...(labels.labels === 0 ? {} : { newestEventMs: labels.newestMs }),
    };
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
    const newest = await this.store.newestLabelled(spec.endpoint, now.version);
    if (newest === undefined) return undefined;
    const { metric, windowMs } = spec.performance;
    const [fromMs, toMs] = [newest + 1 - windowMs, newest + 1];
    const { scores, labels } = await this.predictions.scores(spec.endpoint, now.version, fromMs, toMs);
    const isLabelled = (_: number, i: number): boolean => !Number.isNaN(labels[i]!);
    const labelled = labels.filter(isLabelled);
    const value = binaryPerformance(scores.filter(isLabelled), labelled)[metric];
    const validation = this.known.versions.get(`${now.model}@${now.version}`)?.metrics[`validate.${metric}`];
    return value && { rows: labelled.length, fromMs, toMs, value, validation };
  }

  private async labelsOf(spec: MonitorSpec, now: EndpointNow): Promise<Figures['labels']> {
    const horizonMs = this.known.models.get(now.model)?.label.horizonMs;
    if (spec.labels === undefined || horizonMs === undefined) return undefined;
    const toMs = now.newestMs - horizonMs;
    const fromMs = toMs - (spec.performance?.windowMs ?? spec.drift?.windowMs ?? dayMs);
    return { fromMs, toMs, ...(await this.store.missingLabels(spec.endpoint, fromMs, toMs)) };
  }
}
