import { Cron } from 'croner';
import { approvalConditions, gates } from '#libs/expressions/conditions.js';
import { type CheckContext, requireColumn, requireDefinition, scopeOf } from './check-context.js';
import {
  type EndpointSpec,
  featureNames,
  isTabular,
  type MonitorSpec,
  type PipelineSpec,
  type PolicySpec,
} from './definition-kinds.js';
import { formatDuration } from './duration.js';
import { didYouMean } from './problem.js';

const maxCacheTtlMs = 24 * 3_600_000;

/** Checkers of the kinds that a model's life is made of. */
export function checkPipeline(spec: PipelineSpec, context: CheckContext): PipelineSpec {
  const model = requireDefinition('Model', spec.model, ['model'], context);
  const isTensors = model !== undefined && !isTabular(model);
  if (isTensors)
    context.report(
      ['model'],
      'type-mismatch',
      `${model.name} is of task tensors, which no pipeline trains: register its versions with \`millrace models register ${model.name}\``,
    );
  const service = model && isTabular(model) ? context.find('FeatureService', model.features) : undefined;
  const known = service === undefined ? undefined : featureNames(service);
  spec.train.features?.forEach((feature, i) => {
    if (known !== undefined && !known.includes(feature))
      context.report(
        ['train', 'features', i],
        'unknown-feature',
        `${feature}: not a feature of ${service!.name}; it has ${known.join(', ')}${didYouMean(feature, known)}`,
      );
  });
  const split = (context.raw['data'] as { split?: { train: string; validate: string } } | undefined)?.split;
  if (split !== undefined && Number.parseInt(split.train, 10) + Number.parseInt(split.validate, 10) !== 100)
    context.report(
      ['data', 'split'],
      'invalid-value',
      `train ${split.train} and validate ${split.validate} must make 100%`,
    );
  spec.gates.forEach((gate, i) => {
    const wrong = gates.check(gate);
    if (wrong !== undefined) context.report(['gates', i], 'expression-syntax', wrong);
  });
  if (spec.triggers?.newData !== undefined)
    context.report(
      ['triggers', 'newData'],
      'not-built',
      'triggers.newData is not built in this version; schedule, performance and drift are',
    );
  const schedule = spec.triggers?.schedule;
  if (schedule !== undefined && !isSchedule(schedule))
    context.report(
      ['triggers', 'schedule'],
      'invalid-value',
      `"${schedule}" is not five fields of cron, e.g. '0 3 * * *'`,
    );
  return spec;
}

function isSchedule(text: string): boolean {
  try {
    return text.trim().split(/\s+/).length === 5 && new Cron(text, { paused: true }).nextRun() !== null;
  } catch {
    return false; // the caller says so at its place
  }
}

export function checkEndpoint(spec: EndpointSpec, context: CheckContext): EndpointSpec {
  if ((context.raw['fallback'] as { features?: unknown } | undefined)?.features !== undefined)
    context.report(
      ['fallback', 'features'],
      'not-built',
      'fallback.features is not built in this version; fallback.prediction is',
    );
  if (spec.cache !== undefined && spec.cache.ttlMs > maxCacheTtlMs)
    context.report(
      ['cache', 'ttl'],
      'invalid-value',
      `${formatDuration(spec.cache.ttlMs)} is longer than ${formatDuration(maxCacheTtlMs)}, the longest that an answer may be given again`,
    );
  spec.rollout.forEach((step, i) => {
    const before = spec.rollout[i - 1];
    if (before !== undefined && step.percent <= before.percent)
      context.report(
        ['rollout', i],
        'invalid-value',
        `step ${i + 1} has ${step.percent} %, the one before it ${before.percent} %: a shadow comes first, and each canary is larger than the one before`,
      );
  });
  const model = requireDefinition('Model', spec.model, ['model'], context);
  if (model !== undefined && model.task !== 'binary' && spec.guardrails.logloss !== undefined)
    context.report(
      ['guardrails', 'logloss'],
      'type-mismatch',
      `logloss is of binary models; ${model.name} is ${model.task}`,
    );
  if (model !== undefined && !isTabular(model)) {
    checkTensorEndpoint(spec, model.name, context);
    return spec;
  }
  const { retentionMs } = spec.log;
  if (model !== undefined && retentionMs !== undefined && retentionMs <= model.label.horizonMs)
    context.report(
      ['log', 'retention'],
      'invalid-value',
      `${formatDuration(retentionMs)} is not longer than the horizon of the label of ${model.name}, ${formatDuration(model.label.horizonMs)}: predictions would be gone before their labels come`,
    );
  const service = model && context.find('FeatureService', model.features);
  const spine = service && context.find('Stream', service.spine);
  if (spine !== undefined && spec.stickyKey !== undefined)
    requireColumn(spec.stickyKey, scopeOf(spine), ['stickyKey'], spine.name, context);
  return spec;
}

function checkTensorEndpoint(spec: EndpointSpec, model: string, { report }: CheckContext): void {
  if (spec.stickyKey !== undefined)
    report(
      ['stickyKey'],
      'type-mismatch',
      `stickyKey: ${model} is of task tensors, whose requests have no columns; a canary is drawn by the request's id`,
    );
  if (spec.fallback !== undefined)
    report(
      ['fallback'],
      'type-mismatch',
      `fallback: ${model} is of task tensors; one number cannot stand for its outputs`,
    );
}

export function checkMonitor(spec: MonitorSpec, context: CheckContext): MonitorSpec {
  const endpoint = requireDefinition('Endpoint', spec.endpoint, ['endpoint'], context);
  const model = endpoint && context.find('Model', endpoint.model);
  if (model !== undefined && !isTabular(model)) checkTensorMonitor(spec, model.name, context);
  const { performance } = spec;
  if (performance !== undefined && (performance.maxIncrease === undefined) === (performance.limit === undefined))
    context.report(
      ['performance'],
      'invalid-value',
      'one of maxIncrease (a share of what validation had) and limit (absolute)',
    );
  if (performance !== undefined && model !== undefined && model.task !== 'binary')
    context.report(
      ['performance', 'metric'],
      'type-mismatch',
      `${performance.metric} is of binary models; ${model.name} is ${model.task}`,
    );
  if (spec.concept !== undefined && model !== undefined && model.task !== 'binary')
    context.report(
      ['concept'],
      'type-mismatch',
      `concept drift is of the log-loss of binary models; ${model.name} is ${model.task}`,
    );
  return spec;
}

function checkTensorMonitor(spec: MonitorSpec, model: string, { report }: CheckContext): void {
  if (spec.drift !== undefined)
    report(['drift'], 'type-mismatch', `drift: of features, and ${model} is of task tensors, which has none`);
  if (spec.labels !== undefined)
    report(['labels'], 'type-mismatch', `labels: ${model} is of task tensors, which has no label`);
  if (spec.freshness !== undefined)
    report(['freshness'], 'type-mismatch', `freshness: ${model} is of task tensors, which reads no streams`);
}

export function checkPolicy(spec: PolicySpec, context: CheckContext): PolicySpec {
  const wrong = spec.approvals && approvalConditions.check(spec.approvals.when);
  if (wrong !== undefined) context.report(['approvals', 'when'], 'expression-syntax', wrong);
  return spec;
}
