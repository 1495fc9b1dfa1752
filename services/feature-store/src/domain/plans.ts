import type { ColumnType, CompiledExpression } from '#libs/expressions/compile-expression.js';
import type { Aggregation } from '#libs/windows/aggregate.js';

/** A stream as the store needs it. */
export interface StreamPlan {
  readonly name: string;
  readonly eventTime: string;
  /** Schema columns and derived ones, in order. */
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
  readonly derived: readonly { readonly name: string; readonly expression: CompiledExpression }[];
}

/** A value that the aggregations of a view are made of: evaluated once an event, kept as an exact integer of 1/scale. */
export interface Measure {
  readonly expression: CompiledExpression;
  readonly scale: number;
}

export interface ViewFeature {
  readonly name: string;
  readonly aggregation: Aggregation;
}

/** A feature view, compiled. Its id changes with its definition, so that old and new values never mix. */
export interface ViewPlan {
  readonly id: string;
  readonly name: string;
  readonly stream: string;
  readonly entityNames: readonly string[];
  /** Columns of the stream that carry the entity, in the order of entityNames. */
  readonly entityColumns: readonly string[];
  readonly measures: readonly Measure[];
  readonly features: readonly ViewFeature[];
  /** The longest window, and the length of an online bucket: every read touches at most two buckets. */
  readonly maxWindowMs: number;
  /** How far behind the watermark an instant may lie and still be answered. */
  readonly ttlMs: number;
}

/** One use of a view in a feature service. */
export interface Lookup {
  readonly view: ViewPlan;
  /** Over the spine's row, one for each entity name. */
  readonly entity: readonly CompiledExpression[];
  readonly features: readonly ViewFeature[];
}

/** What makes one vector. Order of the vector: `items` in order. */
export interface ServicePlan {
  readonly name: string;
  readonly digest: string;
  readonly spine: StreamPlan;
  readonly items: readonly ({ readonly lookup: Lookup } | { readonly request: CompiledExpression })[];
  readonly featureNames: readonly string[];
}

/** The entity of a row as a key: values in the order of entityNames. A null anywhere means that there is no entity. */
export function entityKey(values: readonly unknown[]): string | undefined {
  if (values.some((value) => value === null || value === undefined)) return undefined;
  return JSON.stringify(values);
}

export function bucketOf(view: ViewPlan, ms: number): number {
  return Math.floor(ms / view.maxWindowMs);
}
