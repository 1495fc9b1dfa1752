import type {
  AccessAction,
  AggregationName,
  BreachAction,
  ColumnSpec,
  EndpointSpec,
  Expectation,
  FeatureServiceSpec,
  FeatureViewSpec,
  GuardrailsSpec,
  Kind,
  ModelSpec,
  MonitorSpec,
  PipelineSpec,
  PolicySpec,
  RolloutStepSpec,
  SearchSpec,
  SourceSpec,
  Specs,
  StreamSpec,
  TabularModelSpec,
  TriggersSpec,
} from './definition-kinds.js';
import { aggregationNames } from './definition-kinds.js';
import { parseDuration } from './duration.js';

/** Of a response cache that does not say how many answers it keeps. */
const defaultCacheEntries = 10_000;

type Raw = Readonly<Record<string, unknown>>;
type Looked = <K extends Kind>(kind: K, name: string) => Specs[K] | undefined;

/**
 * What a document means, with every short form written out; the same meaning gives the same spec. Only for documents that keep their schema.
 * @param find other definitions, for defaults that come from them
 */
export function normalise<K extends Kind>(kind: K, raw: Raw, find: Looked): Specs[K] {
  const about = {
    name: raw['name'] as string,
    ...(raw['description'] === undefined ? {} : { description: raw['description'] as string }),
  };
  return normalisers[kind](raw, about, find) as Specs[K];
}

interface About {
  readonly name: string;
  readonly description?: string;
}

const normalisers: { [K in Kind]: (raw: Raw, about: About, find: Looked) => Specs[K] } = {
  Stream: (raw, about): StreamSpec => ({
    ...about,
    ...(raw['key'] === undefined ? {} : { key: raw['key'] as string }),
    eventTime: raw['eventTime'] as string,
    latenessMs: duration(raw['lateness'] ?? '1m'),
    schema: entries(raw['schema']).map(([name, type]) => columnOf(name, type)),
    derive: entries(raw['derive']).map(([name, expression]) => ({
      name,
      expression: String(expression),
      type: 'int64',
    })),
    expectations: ((raw['expectations'] ?? []) as Raw[]).map((one): Expectation => {
      const [name, args] = entries(one)[0]!;
      return { name, arguments: args as Raw };
    }),
    compatibility: (raw['compatibility'] ?? 'BACKWARD') as string,
    dataClasses: (raw['dataClasses'] ?? {}) as Record<string, string>,
    ...(raw['retention'] === undefined ? {} : { retentionMs: duration(raw['retention']) }),
  }),
  Source: (raw, about): SourceSpec => ({
    ...about,
    stream: raw['stream'] as string,
    connector: raw['connector'] as SourceSpec['connector'],
    path: (raw['options'] as { path: string }).path,
  }),
  FeatureView: (raw, about): FeatureViewSpec => ({
    ...about,
    source: raw['source'] as string,
    entity: Array.isArray(raw['entity'])
      ? (raw['entity'] as string[]).map((name) => ({ name, column: name }))
      : entries(raw['entity']).map(([name, column]) => ({ name, column: column as string })),
    ttlMs: duration(raw['ttl']),
    features: entries(raw['features']).map(([name, feature]) => featureOf(name, feature as Raw, duration(raw['ttl']))),
  }),
  FeatureService: (raw, about, find): FeatureServiceSpec => ({
    ...about,
    spine: raw['spine'] as string,
    items: (raw['features'] as unknown[]).map((item) => itemOf(item, find)),
  }),
  Model: (raw, about): ModelSpec => {
    const owners = (raw['owners'] ?? []) as string[];
    if (raw['task'] === 'tensors') return { ...about, task: 'tensors', owners };
    const label = raw['label'] as { stream: string; value: string; join: string; horizon: string };
    return {
      ...about,
      task: raw['task'] as TabularModelSpec['task'],
      features: raw['features'] as string,
      label: { stream: label.stream, value: label.value, join: label.join, horizonMs: duration(label.horizon) },
      segments: (raw['segments'] ?? []) as string[],
      owners,
    };
  },
  Pipeline: (raw, about): PipelineSpec => {
    const data = raw['data'] as { window: string; split?: { train: string } };
    const train = raw['train'] as { algorithm: string; params?: Raw; search?: Raw; features?: string[] };
    return {
      ...about,
      model: raw['model'] as string,
      windowMs: duration(data.window),
      trainShare: Number.parseInt(data.split?.train ?? '75%', 10) / 100,
      train: {
        algorithm: train.algorithm,
        params: train.params ?? {},
        ...(train.search === undefined ? {} : { search: searchOf(train.search) }),
        ...(train.features === undefined ? {} : { features: train.features }),
      },
      gates: (raw['gates'] ?? []) as string[],
      ...(raw['triggers'] === undefined ? {} : { triggers: triggersOf(raw['triggers'] as Raw) }),
    };
  },
  Endpoint: (raw, about): EndpointSpec => {
    const fallback = raw['fallback'] as { prediction: number } | undefined;
    return {
      ...about,
      model: raw['model'] as string,
      ...(raw['stickyKey'] === undefined ? {} : { stickyKey: raw['stickyKey'] as string }),
      log: logOf((raw['log'] ?? {}) as Raw),
      ...(raw['cache'] === undefined ? {} : { cache: cacheOf(raw['cache'] as Raw) }),
      ...(fallback === undefined ? {} : { fallback: { prediction: fallback.prediction } }),
      rollout: ((raw['rollout'] ?? []) as Raw[]).map(stepOf),
      guardrails: guardrailsOf((raw['guardrails'] ?? {}) as Raw),
      ...(raw['tier'] === undefined ? {} : { tier: raw['tier'] as string }),
    };
  },
  Monitor: (raw, about): MonitorSpec => {
    const [drift, performance] = [raw['drift'] as Raw | undefined, raw['performance'] as Raw | undefined];
    const concept = raw['concept'] as Raw | undefined;
    const labels = raw['labels'] as { maxMissing: number | string } | undefined;
    const freshness = raw['freshness'] as { maxLag: string } | undefined;
    const alert = raw['alert'] as { webhook?: string } | undefined;
    const onBreach = (raw['onBreach'] ?? {}) as Record<string, BreachAction[] | undefined>;
    return {
      ...about,
      endpoint: raw['endpoint'] as string,
      ...(drift === undefined ? {} : { drift: driftOf(drift) }),
      ...(performance === undefined ? {} : { performance: performanceOf(performance) }),
      ...(concept === undefined ? {} : { concept: conceptOf(concept) }),
      ...(labels === undefined ? {} : { labels: { maxMissing: shareOf(labels.maxMissing) } }),
      ...(freshness === undefined ? {} : { freshness: { maxLagMs: duration(freshness.maxLag) } }),
      ...(alert?.webhook === undefined ? {} : { webhook: alert.webhook }),
      onBreach: {
        performance: onBreach['performance'] ?? ['alert'],
        ...(concept === undefined ? {} : { concept: onBreach['concept'] ?? ['alert'] }),
        drift: onBreach['drift'] ?? ['alert'],
        labels: onBreach['labels'] ?? ['alert'],
        freshness: onBreach['freshness'] ?? ['alert'],
      },
    };
  },
  Policy: (raw, about): PolicySpec => {
    const approvals = raw['approvals'] as
      { when?: string; roles: string[]; quorum?: number; notRequester?: boolean } | undefined;
    const retention = raw['retention'] as { predictions: string } | undefined;
    const quotas = raw['quotas'] as
      { role: string; on: string[]; requestsPerSecond: number; burst?: number }[] | undefined;
    const access = (raw['access'] ?? []) as { role: string; may: AccessAction[]; on: string[] }[];
    return {
      ...about,
      ...(approvals === undefined
        ? {}
        : {
            approvals: {
              when: approvals.when ?? 'true',
              roles: approvals.roles,
              quorum: approvals.quorum ?? 1,
              notRequester: approvals.notRequester ?? true,
            },
          }),
      access: access.map(({ role, may, on }) => ({ role, may, on })),
      ...(quotas === undefined ? {} : { quotas: quotas.map(quotaOf) }),
      ...(retention === undefined ? {} : { retention: { predictionsMs: duration(retention.predictions) } }),
    };
  },
};

/** At once, where it is not said: a second's worth. */
function quotaOf({
  role,
  on,
  requestsPerSecond,
  burst,
}: {
  role: string;
  on: string[];
  requestsPerSecond: number;
  burst?: number;
}) {
  return { role, on, requestsPerSecond, burst: burst ?? Math.max(1, Math.ceil(requestsPerSecond)) };
}

/** Rules of thumb of the field where a definition is silent. */
const [defaultMinRows, defaultAlpha] = [500, 0.05];

function triggersOf(raw: Raw): TriggersSpec {
  return {
    ...(raw['schedule'] === undefined ? {} : { schedule: raw['schedule'] as string }),
    performance: (raw['performance'] ?? false) as boolean,
    ...(raw['concept'] === true ? { concept: true } : {}),
    drift: (raw['drift'] ?? false) as boolean,
    ...(raw['newData'] === undefined ? {} : { newData: raw['newData'] as number }),
    cooldownMs: duration(raw['cooldown'] ?? '6h'),
    maxRunsPerDay: (raw['maxRunsPerDay'] ?? 4) as number,
  };
}

function logOf(raw: Raw): EndpointSpec['log'] {
  const sample = shareOf((raw['sample'] ?? 1) as number | string);
  return {
    features: (raw['features'] ?? true) as boolean,
    ...(sample === 1 ? {} : { sample }),
    ...(raw['retention'] === undefined ? {} : { retentionMs: duration(raw['retention']) }),
  };
}

function cacheOf(raw: Raw): NonNullable<EndpointSpec['cache']> {
  return { ttlMs: duration(raw['ttl']), maxEntries: (raw['maxEntries'] ?? defaultCacheEntries) as number };
}

function stepOf(raw: Raw): RolloutStepSpec {
  const [kind, step] = entries(raw)[0]! as ['shadow' | 'canary', { percent?: number; predictions: number }];
  return { kind, percent: step.percent ?? 0, predictions: step.predictions };
}

function guardrailsOf(raw: Raw): GuardrailsSpec {
  const errors = raw['errors'] as { margin: number | string } | undefined;
  return {
    alpha: (raw['alpha'] ?? defaultAlpha) as number,
    ...(errors === undefined ? {} : { errors: { margin: shareOf(errors.margin) } }),
    ...(raw['latencyP99'] === undefined ? {} : { latencyP99: raw['latencyP99'] as { ratio: number } }),
    ...(raw['logloss'] === undefined ? {} : { logloss: raw['logloss'] as { margin: number } }),
  };
}

function driftOf(raw: Raw): NonNullable<MonitorSpec['drift']> {
  return {
    statistic: (raw['statistic'] ?? 'psi') as NonNullable<MonitorSpec['drift']>['statistic'],
    windowMs: duration(raw['window'] ?? '24h'),
    threshold: (raw['threshold'] ?? 'auto') as number | 'auto',
    minRows: (raw['minRows'] ?? defaultMinRows) as number,
  };
}

function performanceOf(raw: Raw): NonNullable<MonitorSpec['performance']> {
  return {
    metric: raw['metric'] as NonNullable<MonitorSpec['performance']>['metric'],
    windowMs: duration(raw['window'] ?? '3d'),
    ...(raw['maxIncrease'] === undefined ? {} : { maxIncrease: shareOf(raw['maxIncrease'] as number | string) }),
    ...(raw['limit'] === undefined ? {} : { limit: raw['limit'] as number }),
    minRows: (raw['minRows'] ?? defaultMinRows) as number,
  };
}

function conceptOf(raw: Raw): NonNullable<MonitorSpec['concept']> {
  return {
    windowMs: duration(raw['window'] ?? '3d'),
    margin: raw['margin'] as number,
    minRows: (raw['minRows'] ?? defaultMinRows) as number,
  };
}

/** `0.5%` or 0.005. */
function shareOf(value: number | string): number {
  return typeof value === 'number' ? value : Number.parseFloat(value) / 100;
}

function entries(map: unknown): [string, unknown][] {
  return Object.entries((map ?? {}) as Raw);
}

function duration(text: unknown): number {
  return parseDuration(text as string);
}

function columnOf(name: string, type: unknown): ColumnSpec {
  if (typeof type === 'string') return { name, type: type as ColumnSpec['type'], nullable: false };
  const { nullable, ...rest } = type as Omit<ColumnSpec, 'name'>;
  return { name, ...rest, nullable: nullable ?? false };
}

function featureOf(name: string, feature: Raw, ttlMs: number): FeatureViewSpec['features'][number] {
  const aggregation = (aggregationNames.find((candidate) => candidate in feature) ?? 'count') as AggregationName;
  return {
    name,
    aggregation,
    value: String(feature[aggregation] ?? '*'),
    windowMs: feature['over'] === undefined ? ttlMs : duration(feature['over']),
    ...(feature['cap'] === undefined ? {} : { cap: feature['cap'] as number }),
  };
}

function itemOf(item: unknown, find: Looked): FeatureServiceSpec['items'][number] {
  const [view, use] = typeof item === 'string' ? ([item, null] as const) : (entries(item)[0]! as [string, Raw | null]);
  if (view === 'request')
    return { request: entries(use).map(([name, expression]) => ({ name, expression: String(expression) })) };
  const spec = find('FeatureView', view);
  const given = (use?.['entity'] ?? {}) as Raw;
  const own = (spec?.entity ?? []).map(({ name }) => name);
  const names = [...own, ...Object.keys(given).filter((name) => !own.includes(name))];
  return {
    view,
    as: (use?.['as'] ?? view.replaceAll('-', '_')) as string,
    entity: names.map((name) => ({ name, expression: String(given[name] ?? name) })),
    features: (use?.['features'] ?? spec?.features.map((feature) => feature.name) ?? []) as string[],
  };
}

function searchOf(raw: Raw): SearchSpec {
  const space = entries(raw['space']).map(([name, dimension]) => {
    const { int, float, choice, log } = dimension as {
      int?: [number, number];
      float?: [number, number];
      choice?: unknown[];
      log?: boolean;
    };
    if (choice !== undefined) return [name, { kind: 'choice', values: choice }];
    const [low, high] = int ?? float ?? [0, 1];
    return [name, { kind: int === undefined ? 'float' : 'int', low, high, log: log ?? false }];
  });
  return {
    trials: raw['trials'] as number,
    sampler: (raw['sampler'] ?? 'tpe') as SearchSpec['sampler'],
    pruner: (raw['pruner'] ?? 'median') as SearchSpec['pruner'],
    space: Object.fromEntries(space) as SearchSpec['space'],
  };
}
