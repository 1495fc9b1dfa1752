/** Definitions as they are kept and published: normalised specs, where every short form of the YAML is written out. Durations are milliseconds. */
export const kinds = [
  'Stream',
  'Source',
  'FeatureView',
  'FeatureService',
  'Model',
  'Pipeline',
  'Endpoint',
  'Monitor',
  'Policy',
] as const;
export type Kind = (typeof kinds)[number];

/** Values in JavaScript: string, number (int32, int64 within 2^53, float64), boolean, timestamp = epoch milliseconds. */
export type ColumnType = 'string' | 'int32' | 'int64' | 'float64' | 'bool' | 'timestamp';

export interface ColumnSpec {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly enum?: readonly (string | number)[];
  readonly unit?: string;
}

export interface DerivedColumn {
  readonly name: string;
  /** CEL over the schema's columns. */
  readonly expression: string;
  readonly type: ColumnType;
}

/** A row expectation under its Great Expectations name, with that library's arguments. */
export interface Expectation {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface StreamSpec {
  readonly name: string;
  readonly description?: string;
  /** The column that is the Kafka key; absent = the event's id. */
  readonly key?: string;
  readonly eventTime: string;
  readonly latenessMs: number;
  readonly schema: readonly ColumnSpec[];
  readonly derive: readonly DerivedColumn[];
  readonly expectations: readonly Expectation[];
  readonly compatibility: string;
  readonly dataClasses: Readonly<Record<string, string>>;
  readonly retentionMs?: number;
}

export interface SourceSpec {
  readonly name: string;
  readonly description?: string;
  readonly stream: string;
  readonly connector: 'jsonl' | 'csv' | 'parquet';
  readonly path: string;
}

export const aggregationNames = ['count', 'sum', 'mean', 'min', 'max', 'std', 'first', 'last', 'sinceLast'] as const;
export type AggregationName = (typeof aggregationNames)[number];

export interface FeatureSpec {
  readonly name: string;
  readonly aggregation: AggregationName;
  /** CEL over the source's columns; '*' = every event; 'minutes' for sinceLast. */
  readonly value: string;
  readonly windowMs: number;
  /** Of sinceLast, in minutes. */
  readonly cap?: number;
}

export interface FeatureViewSpec {
  readonly name: string;
  readonly description?: string;
  /** A stream. */
  readonly source: string;
  /** Entity name -> column of the source, in order. */
  readonly entity: readonly { readonly name: string; readonly column: string }[];
  readonly ttlMs: number;
  readonly features: readonly FeatureSpec[];
}

export interface ViewItem {
  readonly view: string;
  /** What the features' names begin with. */
  readonly as: string;
  /** Entity name -> CEL over the spine's columns. */
  readonly entity: readonly { readonly name: string; readonly expression: string }[];
  readonly features: readonly string[];
}

export interface RequestItem {
  readonly request: readonly { readonly name: string; readonly expression: string }[];
}

export interface FeatureServiceSpec {
  readonly name: string;
  readonly description?: string;
  /** The stream whose events have the shape of a request. */
  readonly spine: string;
  readonly items: readonly (ViewItem | RequestItem)[];
}

/** A model over rows of features, whose truth becomes known. */
export interface TabularModelSpec {
  readonly name: string;
  readonly description?: string;
  readonly task: 'binary' | 'regression';
  /** A feature service. */
  readonly features: string;
  readonly label: {
    readonly stream: string;
    readonly value: string;
    readonly join: string;
    readonly horizonMs: number;
  };
  readonly segments: readonly string[];
  readonly owners: readonly string[];
}

/** A model of any kind: it takes and gives tensors by name, as its versions say themselves. It reads no features and has no label. */
export interface TensorModelSpec {
  readonly name: string;
  readonly description?: string;
  readonly task: 'tensors';
  readonly owners: readonly string[];
}

export type ModelSpec = TabularModelSpec | TensorModelSpec;

export function isTabular(model: ModelSpec): model is TabularModelSpec {
  return model.task !== 'tensors';
}

export interface SearchSpec {
  readonly trials: number;
  readonly sampler: 'tpe' | 'random';
  readonly pruner: 'median' | 'none';
  readonly space: Readonly<
    Record<
      string,
      | { readonly kind: 'int' | 'float'; readonly low: number; readonly high: number; readonly log: boolean }
      | { readonly kind: 'choice'; readonly values: readonly unknown[] }
    >
  >;
}

export interface PipelineSpec {
  readonly name: string;
  readonly description?: string;
  readonly model: string;
  readonly windowMs: number;
  /** Share of the time that is trained on, 0..1; the rest validates. */
  readonly trainShare: number;
  readonly train: {
    readonly algorithm: string;
    readonly params: Readonly<Record<string, unknown>>;
    readonly search?: SearchSpec;
    /** A choice of the feature service's features; absent = all. The model's input columns are these, in the service's order. */
    readonly features?: readonly string[];
  };
  /** CEL over `validate`, `parity` and `live`, e.g. 'validate.auc >= 0.80'. */
  readonly gates: readonly string[];
  readonly triggers?: TriggersSpec;
}

/** What starts a run without a person. */
export interface TriggersSpec {
  /** Five fields of cron, UTC, wall clock. */
  readonly schedule?: string;
  /** A Monitor's breach with the action `retrain`. */
  readonly performance: boolean;
  readonly concept?: boolean;
  readonly drift: boolean;
  /** So many new labels since the last run's data. */
  readonly newData?: number;
  /** Least time between two triggered runs, wall clock. */
  readonly cooldownMs: number;
  /** Most triggered runs in 24 hours, wall clock. */
  readonly maxRunsPerDay: number;
}

export interface EndpointSpec {
  readonly name: string;
  readonly description?: string;
  readonly model: string;
  readonly stickyKey?: string;
  readonly log: {
    readonly features: boolean;
    /** The share of predictions whose request and features are kept, 0 <= share < 1; absent = all. */
    readonly sample?: number;
    /** How long predictions are kept, wall clock; absent = as policies say, else for ever. */
    readonly retentionMs?: number;
  };
  /** Answers to the same content are given again without a run: it says that the model is deterministic. Absent = each is run. */
  readonly cache?: ResponseCacheSpec;
  /** What is answered when the features cannot be had; absent = UNAVAILABLE. */
  readonly fallback?: { readonly prediction: number };
  /** Steps of a new version on its way to live; empty = live at once. */
  readonly rollout: readonly RolloutStepSpec[];
  readonly guardrails: GuardrailsSpec;
  /** What policies may ask for, e.g. endpoint.tier == "high". */
  readonly tier?: string;
}

export interface ResponseCacheSpec {
  /** How long an answer may be given again, 1 s to 24 h. */
  readonly ttlMs: number;
  /** Of each gateway: one more forgets the least recently used; 1 to 1,000,000. */
  readonly maxEntries: number;
}

export interface RolloutStepSpec {
  readonly kind: 'shadow' | 'canary';
  /** Of a canary: the share of sticky keys it answers, 0 < percent <= 100; of a shadow 0. */
  readonly percent: number;
  /** By the candidate, within the step, before it can pass. */
  readonly predictions: number;
}

/** What a candidate is judged by. A guardrail that is absent is not judged. */
export interface GuardrailsSpec {
  /** The chance that a version as good as the live one is ever rolled back, over all guardrails and for as long as one looks; 0 < alpha < 0.5. */
  readonly alpha: number;
  /** Failed rows; margin is a share, 0..1, of what a candidate may do worse and still pass. */
  readonly errors?: { readonly margin: number };
  /** Of the latency that callers see; ratio > 1 of the candidate's p99 to the live version's. */
  readonly latencyP99?: { readonly ratio: number };
  /** Mean log-loss of labelled predictions; margin in nats. */
  readonly logloss?: { readonly margin: number };
}

export const driftStatistics = ['psi', 'ks', 'js', 'wasserstein'] as const;
export type DriftStatistic = (typeof driftStatistics)[number];
export const performanceMetrics = ['logloss', 'auc', 'brier', 'ece'] as const;
export const breachActions = ['alert', 'retrain'] as const;
export type BreachAction = (typeof breachActions)[number];

/** What is watched on an endpoint, and what a breach does. Windows are of event time and end at the newest prediction. */
export interface MonitorSpec {
  readonly name: string;
  readonly description?: string;
  readonly endpoint: string;
  readonly drift?: {
    readonly statistic: DriftStatistic;
    readonly windowMs: number;
    /** 'auto': from the statistic's own spread between a small window and the reference, never below the field's rule of thumb. */
    readonly threshold: number | 'auto';
    readonly minRows: number;
  };
  readonly performance?: {
    readonly metric: (typeof performanceMetrics)[number];
    readonly windowMs: number;
    /** Worse than validation by more than this share, e.g. 0.1; or `limit`, absolute. One of the two. */
    readonly maxIncrease?: number;
    readonly limit?: number;
    readonly minRows: number;
  };
  /** Log-loss of labelled predictions beyond what their calibrated scores expect: surely more than the margin, in nats, is a breach. */
  readonly concept?: { readonly windowMs: number; readonly margin: number; readonly minRows: number };
  /** Share of predictions older than the label's horizon that may be without one, 0..1. */
  readonly labels?: { readonly maxMissing: number };
  /** How far the newest prediction may lie behind the newest event of the model's streams, event time. */
  readonly freshness?: { readonly maxLagMs: number };
  /** URL, or `env:NAME` of the monitor's environment. */
  readonly webhook?: string;
  readonly onBreach: {
    readonly performance: readonly BreachAction[];
    /** There where `concept` is. */
    readonly concept?: readonly BreachAction[];
    readonly drift: readonly BreachAction[];
    readonly labels: readonly BreachAction[];
    readonly freshness: readonly BreachAction[];
  };
}

export const accessActions = [
  'read',
  'apply',
  'predict',
  'publish',
  'train',
  'promote',
  'approve',
  'administer',
] as const;
export type AccessAction = (typeof accessActions)[number];

export interface PolicySpec {
  readonly name: string;
  readonly description?: string;
  /** A rollout that `when` holds for waits until `quorum` people with one of the roles have approved it. Who has one of the roles may read approvals and vote on them. */
  readonly approvals?: {
    /** CEL over endpoint {name, model, tier ('' = none)} and version {number, metrics: e.g. version.metrics.validate.auc}. One that cannot be told counts as true. */
    readonly when: string;
    readonly roles: readonly string[];
    readonly quorum: number;
    /** Who asked may not approve. */
    readonly notRequester: boolean;
  };
  /** How many requests each caller with a role may ask of endpoints. */
  readonly quotas?: readonly {
    readonly role: string;
    /** Patterns, e.g. endpoints/late-*. */
    readonly on: readonly string[];
    readonly requestsPerSecond: number;
    /** At once. */
    readonly burst: number;
  }[];
  /** Who may do what; nothing that is not said is allowed. Patterns are `<kinds>/<name>` with `*`, e.g. predictions/*, endpoints/late-*. */
  readonly access: readonly {
    readonly role: string;
    readonly may: readonly AccessAction[];
    readonly on: readonly string[];
  }[];
  /** How long the prediction log is kept, wall clock, at most: of several policies, and of an endpoint's own, the shortest counts. */
  readonly retention?: { readonly predictionsMs: number };
}

export interface Specs {
  Stream: StreamSpec;
  Source: SourceSpec;
  FeatureView: FeatureViewSpec;
  FeatureService: FeatureServiceSpec;
  Model: ModelSpec;
  Pipeline: PipelineSpec;
  Endpoint: EndpointSpec;
  Monitor: MonitorSpec;
  Policy: PolicySpec;
}

/** The features of a service in vector order: `<as>__<feature>` with '-' as '_', or the request feature's own name. */
export function featureNames(service: FeatureServiceSpec): string[] {
  return service.items.flatMap((item) =>
    'request' in item
      ? item.request.map(({ name }) => name)
      : item.features.map((feature) => `${item.as.replaceAll('-', '_')}__${feature}`),
  );
}
