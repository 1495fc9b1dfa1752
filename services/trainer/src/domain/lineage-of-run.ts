import { createHash } from 'node:crypto';
import { topicName } from '#libs/contracts/topics.js';
import { metricsOf, type Run, type RunState, type StepOutputs } from './run.js';

const producer = 'urn:millrace:trainer';
const namespace = 'millrace';
const spec = 'https://openlineage.io/spec';
/** services/trainer/openlineage/training-run-facet.schema.json */
const trainingFacet = 'urn:millrace:openlineage:1-0-0:TrainingRunFacet';
/** RFC 9562, section 5.5: the namespace of run ids that are no UUIDs. */
const runNamespace = 'b51d7d2c-6a49-5f4e-9d0b-3f6f0c7a1e55';
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What a run does not know of itself. */
export interface LineageContext {
  /** host:port of a broker. */
  readonly broker: string;
  /** Of the model's features and labels. */
  readonly streams: readonly string[];
  /** '' = not known. */
  readonly codeCommit: string;
}

const endTypes: Partial<Record<RunState, 'COMPLETE' | 'FAIL' | 'ABORT'>> = {
  succeeded: 'COMPLETE',
  failed: 'FAIL',
  refused: 'FAIL',
  cancelled: 'ABORT',
};

/** `<namespace>/<name>` of the job: the key of its events. */
export function jobKey(run: Run): string {
  return `${namespace}/trainer.${run.plan.pipeline.name}`;
}

/**
 * The OpenLineage 2-0-2 event that tells of the run's state: START of one that runs, COMPLETE, FAIL (also of one that a gate refused) or ABORT of one that has ended.
 * @param atMs of the event, epoch ms
 */
export function lineageEvent(run: Run, atMs: number, context: LineageContext): object {
  const { pipeline } = run.plan;
  const eventType = endTypes[run.state] ?? 'START';
  const error = facet(`${spec}/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet`, {
    message: run.error,
    programmingLanguage: 'TypeScript',
  });
  const jobType = facet(`${spec}/facets/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet`, {
    processingType: 'BATCH',
    integration: 'MILLRACE',
    jobType: 'TRAINING',
  });
  return {
    eventTime: new Date(atMs).toISOString(),
    eventType,
    producer,
    schemaURL: `${spec}/2-0-2/OpenLineage.json#/$defs/RunEvent`,
    run: {
      runId: lineageRunId(run.runId),
      facets: { millrace_training: training(run, context), ...(run.error === '' ? {} : { errorMessage: error }) },
    },
    job: { namespace, name: `trainer.${pipeline.name}`, facets: { jobType } },
    inputs: inputsOf(run, context),
    outputs: run.modelVersion === '' ? [] : [dataset(`models.${run.plan.model.name}`, version(run.modelVersion))],
  };
}

/** OpenLineage wants a UUID: the run's id where it is one, else one that follows from it (version 5). */
export function lineageRunId(runId: string): string {
  if (uuid.test(runId)) return runId.toLowerCase();
  const hash = createHash('sha1')
    .update(Buffer.from(runNamespace.replaceAll('-', ''), 'hex'))
    .update(runId)
    .digest();
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  return hash.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function training(run: Run, { codeCommit }: LineageContext): object {
  const { pipeline, model } = run.plan;
  const params = Object.entries(pipeline.train.params).map(([name, value]) => [name, String(value)]);
  const onnxSha256 = outputs(run, 'convert').onnxSha256;
  const datasetSha256 = outputs(run, 'dataset').sha256;
  return facet(trainingFacet, {
    pipeline: pipeline.name,
    model: model.name,
    runId: run.runId,
    reason: run.reason,
    state: run.state,
    params: { algorithm: pipeline.train.algorithm, ...Object.fromEntries(params) },
    metrics: Object.fromEntries(Object.entries(metricsOf(run)).filter(([, value]) => Number.isFinite(value))),
    ...(datasetSha256 === undefined ? {} : { datasetSha256 }),
    ...(onnxSha256 === undefined ? {} : { onnxSha256 }),
    ...(run.modelVersion === '' ? {} : { modelVersion: run.modelVersion }),
    ...(codeCommit === '' ? {} : { codeCommit }),
  });
}

function inputsOf(run: Run, { broker, streams }: LineageContext): object[] {
  const { model } = run.plan;
  const { sha256, digest, features = [], rows } = outputs(run, 'dataset');
  const topics = streams.map((stream) => ({ namespace: `kafka://${broker}`, name: topicName('validEvents', stream) }));
  const definitions = dataset(`features.${model.features}`, digest === undefined ? {} : version(digest));
  if (sha256 === undefined) return [...topics, definitions];
  const quality = facet(
    `${spec}/facets/1-0-3/DataQualityMetricsInputDatasetFacet.json#/$defs/DataQualityMetricsInputDatasetFacet`,
    {
      rowCount: rows,
      columnMetrics: {},
    },
  );
  const snapshot = dataset(`datasets.${model.name}`, { ...version(sha256), schema: schemaOf(features) });
  return [...topics, definitions, { ...snapshot, inputFacets: { dataQualityMetrics: quality } }];
}

/** The columns of the training set's Parquet file, as the feature store writes them. */
function schemaOf(features: readonly string[]): object {
  const column = (name: string, type: string) => ({ name, type });
  return facet(`${spec}/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet`, {
    fields: [
      ...features.map((name) => column(name, 'FLOAT')),
      column('label', 'FLOAT'),
      column('split', 'STRING'),
      column('event_time', 'INT64'),
      column('join_key', 'STRING'),
    ],
  });
}

function dataset(name: string, facets: object): object {
  return { namespace, name, facets };
}

function version(datasetVersion: string): object {
  const schemaUrl = `${spec}/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet`;
  return { version: facet(schemaUrl, { datasetVersion }) };
}

function facet(schemaUrl: string, fields: object): object {
  return { _producer: producer, _schemaURL: schemaUrl, ...fields };
}

/** {} of a step that has not succeeded. */
function outputs<N extends 'dataset' | 'convert'>(run: Run, name: N): Partial<StepOutputs[N]> {
  return (run.steps.find((step) => step.name === name)?.outputs ?? {}) as Partial<StepOutputs[N]>;
}
