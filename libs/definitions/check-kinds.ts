import { compileExpression, ExpressionError } from '#libs/expressions/compile-expression.js';
import type {
  ColumnType,
  FeatureServiceSpec,
  FeatureViewSpec,
  Kind,
  ModelSpec,
  SourceSpec,
  Specs,
  StreamSpec,
  TabularModelSpec,
  ViewItem,
} from './definition-kinds.js';
import { featureNames, isTabular } from './definition-kinds.js';
import { type CheckContext, isRegex, requireColumn, requireDefinition, type Scope, scopeOf } from './check-context.js';
import { checkExpectation, wrongValue } from './check-expectation.js';
import { checkEndpoint, checkMonitor, checkPipeline, checkPolicy } from './check-lifecycle.js';
import { didYouMean, type YamlPath } from './problem.js';

/** Each reports what is wrong with a definition among the others, and returns its spec with the types that expressions turned out to have. */
export const checkers: { [K in Kind]: (spec: Specs[K], context: CheckContext) => Specs[K] } = {
  Stream: checkStream,
  Source: checkSource,
  FeatureView: checkFeatureView,
  FeatureService: checkFeatureService,
  Model: checkModel,
  Pipeline: checkPipeline,
  Endpoint: checkEndpoint,
  Monitor: checkMonitor,
  Policy: checkPolicy,
};

function checkStream(spec: StreamSpec, context: CheckContext): StreamSpec {
  const schema = Object.fromEntries(spec.schema.map(({ name, type }) => [name, type])) as Scope;
  const timeType = requireColumn(spec.eventTime, schema, ['eventTime'], spec.name, context);
  if (timeType !== undefined && timeType !== 'timestamp')
    context.report(
      ['eventTime'],
      'type-mismatch',
      `eventTime ${spec.eventTime} is ${timeType}, it must be a timestamp`,
    );
  if (spec.key !== undefined) requireColumn(spec.key, schema, ['key'], spec.name, context);
  for (const column of spec.schema) checkColumn(column, context);
  const derive = spec.derive.map((column) => {
    if (Object.hasOwn(schema, column.name))
      context.report(
        ['derive', column.name],
        'duplicate-definition',
        `${column.name} is already a column of the schema`,
      );
    return { ...column, type: compile(column.expression, schema, ['derive', column.name], context) ?? column.type };
  });
  const checked = { ...spec, derive };
  const scope = scopeOf(checked);
  spec.expectations.forEach((expectation, i) => checkExpectation(expectation, i, scope, spec.name, context));
  for (const column of Object.keys(spec.dataClasses))
    requireColumn(column, schema, ['dataClasses', column], spec.name, context);
  return checked;
}

function checkColumn(
  { name, type, minimum, maximum, pattern, enum: values }: StreamSpec['schema'][number],
  { report }: CheckContext,
): void {
  const numeric = type === 'int32' || type === 'int64' || type === 'float64';
  if (!numeric && (minimum !== undefined || maximum !== undefined))
    report(['schema', name], 'type-mismatch', `${name} is ${type}: minimum and maximum are for numbers`);
  if (minimum !== undefined && maximum !== undefined && minimum > maximum)
    report(['schema', name, 'minimum'], 'invalid-value', `${name}: minimum ${minimum} is above maximum ${maximum}`);
  const foreign = values?.find((value) => wrongValue(value, type) !== undefined);
  if (foreign !== undefined)
    report(['schema', name, 'enum'], 'type-mismatch', `${name} is ${type}: it can never be ${JSON.stringify(foreign)}`);
  if (pattern === undefined) return;
  if (type !== 'string')
    report(['schema', name, 'pattern'], 'type-mismatch', `${name} is ${type}: a pattern is for strings`);
  if (!isRegex(pattern))
    report(['schema', name, 'pattern'], 'invalid-value', `${name}: "${pattern}" is not a regular expression`);
}

function checkSource(spec: SourceSpec, context: CheckContext): SourceSpec {
  requireDefinition('Stream', spec.stream, ['stream'], context);
  return spec;
}

function checkFeatureView(spec: FeatureViewSpec, context: CheckContext): FeatureViewSpec {
  const stream = requireDefinition('Stream', spec.source, ['source'], context);
  if (stream === undefined) return spec;
  const scope = scopeOf(stream);
  const asList = Array.isArray(context.raw['entity']);
  spec.entity.forEach(({ name, column }, i) =>
    requireColumn(column, scope, ['entity', asList ? i : name], stream.name, context),
  );
  for (const feature of spec.features) checkFeature(feature, spec, scope, context);
  return spec;
}

function checkFeature(
  { name, aggregation, value, windowMs, cap }: FeatureViewSpec['features'][number],
  view: FeatureViewSpec,
  scope: Scope,
  context: CheckContext,
): void {
  const path = ['features', name];
  const written = context.raw['features'] as Record<string, Record<string, unknown>> | undefined;
  const named = Object.keys(written?.[name] ?? { [aggregation]: value }).filter(
    (key) => key !== 'over' && key !== 'cap',
  );
  if (named.length !== 1)
    return context.report(
      path,
      'invalid-value',
      `${name}: ${named.length === 0 ? 'no aggregation' : named.join(' and ')}; one of count, sum, mean, min, max, std, first, last, sinceLast`,
    );
  if (windowMs > view.ttlMs)
    context.report(
      [...path, 'over'],
      'invalid-value',
      `${name}: a window of ${windowMs / 3_600_000} h is longer than the view's ttl of ${view.ttlMs / 3_600_000} h`,
    );
  if (
    written?.[name]?.['over'] === undefined &&
    written !== undefined &&
    !['first', 'last', 'sinceLast'].includes(aggregation)
  )
    context.report(path, 'missing-field', `over: ${aggregation} needs a window, e.g. over: 24h`);
  if (cap !== undefined && aggregation !== 'sinceLast')
    context.report([...path, 'cap'], 'unknown-field', 'cap: only sinceLast has one');
  if (aggregation === 'sinceLast' && (cap === undefined || cap * 60_000 > view.ttlMs))
    context.report(
      path,
      'invalid-value',
      `cap: sinceLast needs one, in minutes, and within the view's ttl of ${view.ttlMs / 60_000} minutes`,
    );
  if (aggregation === 'sinceLast' || value === '*') {
    if (value === '*' && aggregation !== 'count')
      context.report([...path, aggregation], 'invalid-value', `${name}: '*' can only be counted`);
    return;
  }
  const type = compile(value, scope, [...path, aggregation], context);
  if (type === 'string' || type === 'timestamp')
    context.report(
      [...path, aggregation],
      'type-mismatch',
      `${name}: ${aggregation} of a ${type}; it needs a number or a bool`,
    );
}

function checkFeatureService(spec: FeatureServiceSpec, context: CheckContext): FeatureServiceSpec {
  const spine = requireDefinition('Stream', spec.spine, ['spine'], context);
  if (spine === undefined) return spec;
  const scope = scopeOf(spine);
  spec.items.forEach((item, i) => {
    if ('view' in item) checkUse(item, i, scope, context);
    else
      for (const { name, expression } of item.request) {
        const path = ['features', i, 'request', name];
        const type = compile(expression, scope, path, context);
        if (type === 'string' || type === 'timestamp')
          context.report(path, 'type-mismatch', `${name} is ${type}; a feature is a number or a bool`);
      }
  });
  const names = featureNames(spec);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    context.report(
      ['features'],
      'duplicate-definition',
      `the feature ${twice} comes twice; name the second use with \`as\``,
    );
  return spec;
}

function checkUse(item: ViewItem, i: number, scope: Scope, context: CheckContext): void {
  const path: YamlPath = ['features', i];
  const inner: YamlPath = [...path, item.view];
  const view = requireDefinition('FeatureView', item.view, path, context);
  if (view === undefined) return;
  const source = context.find('Stream', view.source);
  const types = source === undefined ? {} : scopeOf(source);
  for (const { name, expression } of item.entity) {
    const own = view.entity.find((candidate) => candidate.name === name);
    if (own === undefined) {
      context.report(
        [...inner, 'entity', name],
        'unknown-field',
        `${name}: not an entity of ${item.view}; it has ${view.entity.map((entity) => entity.name).join(', ')}`,
      );
      continue;
    }
    const type = compile(expression, scope, [...inner, 'entity', name], context);
    const wanted = types[own.column];
    if (type !== undefined && wanted !== undefined && family(type) !== family(wanted))
      context.report(
        [...inner, 'entity', name],
        'type-mismatch',
        `${name} is ${type}, the entity of ${item.view} is ${wanted}`,
      );
  }
  const features = view.features.map(({ name }) => name);
  for (const [at, feature] of item.features.entries())
    if (!features.includes(feature))
      context.report(
        [...inner, 'features', at],
        'unknown-feature',
        `${feature}: not a feature of ${item.view}; it has ${features.join(', ')}${didYouMean(feature, features)}`,
      );
}

function family(type: ColumnType): string {
  return type === 'int32' || type === 'int64' ? 'int' : type;
}

const tabularFields = {
  features: 'a tensor model takes the tensors of its own inputs, no features',
  label: 'nothing is known of what a tensor means, so there is no label to join',
  segments: 'segments are of labelled predictions, and a tensor model has none',
};

function checkModel(spec: ModelSpec, context: CheckContext): ModelSpec {
  if (isTabular(spec)) return checkTabular(spec, context);
  for (const [field, why] of Object.entries(tabularFields))
    if (context.raw[field] !== undefined)
      context.report([field], 'unknown-field', `${field}: not a field of task tensors: ${why}`);
  return spec;
}

function checkTabular(spec: TabularModelSpec, context: CheckContext): ModelSpec {
  const service = requireDefinition('FeatureService', spec.features, ['features'], context);
  const spine = service && context.find('Stream', service.spine);
  const stream = requireDefinition('Stream', spec.label.stream, ['label', 'stream'], context);
  if (stream !== undefined) {
    const scope = scopeOf(stream);
    requireColumn(spec.label.join, scope, ['label', 'join'], stream.name, context);
    const type = compile(spec.label.value, scope, ['label', 'value'], context);
    const right = spec.task === 'binary' ? type === 'bool' : type === 'int64' || type === 'float64';
    if (type !== undefined && !right)
      context.report(
        ['label', 'value'],
        'type-mismatch',
        `label.value is ${type}, task ${spec.task} needs ${spec.task === 'binary' ? 'bool' : 'a number'}`,
      );
  }
  if (spine === undefined) return spec;
  if (stream !== undefined && Object.hasOwn(scopeOf(stream), spec.label.join))
    requireColumn(spec.label.join, scopeOf(spine), ['label', 'join'], spine.name, context);
  spec.segments.forEach((column, i) => requireColumn(column, scopeOf(spine), ['segments', i], spine.name, context));
  return spec;
}

const expressionCodes = {
  syntax: 'expression-syntax',
  'unknown-column': 'unknown-column',
  'type-mismatch': 'type-mismatch',
  'not-built': 'not-built',
} as const;

/** The type of an expression; undefined after a report. */
function compile(source: string, scope: Scope, path: YamlPath, { report }: CheckContext): ColumnType | undefined {
  try {
    return compileExpression(source, scope).type;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    report(path, expressionCodes[error.code], error.message, error.offset);
    return undefined;
  }
}
