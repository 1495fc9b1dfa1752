/** Definitions as they are kept and published: normalised specs, where every short form of the YAML is written out. Durations are milliseconds. */
export const kinds = ['Stream', 'Source', 'FeatureView', 'FeatureService', 'Model', 'Pipeline', 'Endpoint'] as const;
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

export interface ModelSpec {
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
  };
  /** CEL over `validate`, `parity` and `live`, e.g. 'validate.auc >= 0.80'. */
  readonly gates: readonly string[];
}

export interface EndpointSpec {
  readonly name: string;
  readonly description?: string;
  readonly model: string;
  readonly stickyKey?: string;
  readonly log: { readonly features: boolean };
  /** What is answered when the features cannot be had; absent = UNAVAILABLE. */
  readonly fallback?: { readonly prediction: number };
}

export interface Specs {
  Stream: StreamSpec;
  Source: SourceSpec;
  FeatureView: FeatureViewSpec;
  FeatureService: FeatureServiceSpec;
  Model: ModelSpec;
  Pipeline: PipelineSpec;
  Endpoint: EndpointSpec;
}

/** The features of a service in vector order: `<as>__<feature>` with '-' as '_', or the request feature's own name. */
export function featureNames(service: FeatureServiceSpec): string[] {
  return service.items.flatMap((item) =>
    'request' in item
      ? item.request.map(({ name }) => name)
      : item.features.map((feature) => `${item.as.replaceAll('-', '_')}__${feature}`),
  );
}
