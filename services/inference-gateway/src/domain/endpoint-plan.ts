import {
  type ColumnType,
  type EndpointSpec,
  featureNames,
  type FeatureServiceSpec,
  type FeatureViewSpec,
  type TabularModelSpec,
  type ResponseCacheSpec,
  type StreamSpec,
} from '#libs/definitions/definition-kinds.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { compileExpression } from '#libs/expressions/compile-expression.js';

export interface InputColumn {
  readonly name: string;
  readonly type: ColumnType;
  /** Left out it is null: the instant of a request is then now. */
  readonly optional: boolean;
}

/** What an endpoint takes and does, compiled from its definitions. */
export interface EndpointPlan {
  readonly name: string;
  readonly model: string;
  readonly task: TabularModelSpec['task'];
  readonly featureService: string;
  /** Names what a vector of it means; a version that was trained on another digest is not answered for. */
  readonly featureServiceDigest: string;
  /** Its features, in vector order. */
  readonly features: readonly string[];
  /** Columns of the spine that a request carries. */
  readonly columns: readonly InputColumn[];
  readonly eventTime: string;
  readonly joinKey: string;
  readonly stickyKey: string | undefined;
  readonly logFeatures: boolean;
  /** Of predictions that keep request and features in the log; undefined = all do. */
  readonly payloadShare?: number | undefined;
  readonly fallbackPrediction: number | undefined;
  /** Undefined = every row is run. */
  readonly cache?: ResponseCacheSpec | undefined;
}

export interface EndpointDefinitions {
  readonly endpoint: EndpointSpec;
  readonly model: TabularModelSpec;
  readonly service: FeatureServiceSpec;
  /** Those that are known; more than the service's do no harm. */
  readonly views: readonly FeatureViewSpec[];
  readonly spine: StreamSpec;
}

/** The columns are those that the features read, through derived columns too, and the keys that the log is joined and routed by. */
export function compileEndpoint({ endpoint, model, service, views, spine }: EndpointDefinitions): EndpointPlan {
  const read = columnsRead(service, spine);
  const keys = [model.label.join, ...(endpoint.stickyKey === undefined ? [] : [endpoint.stickyKey])];
  const needed = new Set([...read, ...keys]);
  const columns = spine.schema
    .filter(({ name }) => needed.has(name) || name === spine.eventTime)
    .map(({ name, type }) => ({ name, type, optional: name === spine.eventTime && !read.has(name) }));
  return {
    name: endpoint.name,
    model: model.name,
    task: model.task,
    featureService: service.name,
    featureServiceDigest: featureServiceDigest(service, views, spine),
    features: featureNames(service),
    columns,
    eventTime: spine.eventTime,
    joinKey: model.label.join,
    stickyKey: endpoint.stickyKey,
    logFeatures: endpoint.log.features,
    payloadShare: endpoint.log.sample,
    fallbackPrediction: endpoint.fallback?.prediction,
    cache: endpoint.cache,
  };
}

function columnsRead(service: FeatureServiceSpec, spine: StreamSpec): Set<string> {
  const schema = Object.fromEntries(spine.schema.map(({ name, type }) => [name, type]));
  const scope = { ...schema, ...Object.fromEntries(spine.derive.map(({ name, type }) => [name, type])) };
  const expressions = service.items.flatMap((item) =>
    ('request' in item ? item.request : item.entity).map(({ expression }) => expression),
  );
  const reads = new Set(expressions.flatMap((expression) => compileExpression(expression, scope).reads));
  for (const { name, expression } of spine.derive) {
    if (!reads.delete(name)) continue;
    for (const column of compileExpression(expression, schema).reads) reads.add(column);
  }
  return reads;
}
