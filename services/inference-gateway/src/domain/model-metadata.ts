import {
  DataType,
  type ModelConfig,
  type ModelMetadataResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import type { ColumnType } from '#libs/definitions/definition-kinds.js';
import type { EndpointPlan } from './endpoint-plan.js';
import type { ServedEndpoint } from './tensor-endpoint.js';
import { tensorConfig, tensorMetadata } from './tensor-metadata.js';

/** Of one request. */
export const maxRows = 1_000;

/** How a column travels. A timestamp may also come as BYTES in RFC 3339. */
export const tensorTypes: Record<ColumnType, string> = {
  string: 'BYTES',
  int32: 'INT32',
  int64: 'INT64',
  float64: 'FP64',
  bool: 'BOOL',
  timestamp: 'INT64',
};

/** The one input that replaces the columns where a caller has the vector already. */
export const givenVector = 'features';

export function scoreName(task: string): string {
  return task === 'binary' ? 'probability' : 'prediction';
}

/** What an endpoint answers: the score first. `model_version` comes where it is asked for, and where two versions answered rows of one request. */
export function outputNames({ task }: Pick<EndpointPlan, 'task'>): [score: string, id: string, version: string] {
  return [scoreName(task), 'prediction_id', 'model_version'];
}

const platform = 'onnxruntime_onnx';

/**
 * What the protocol's clients read to build a request: the columns as inputs, the score and the prediction's id as outputs. Load generators build nothing where an input has
 * no dimension but the batch's, so columns are said to be [rows, 1]; [rows] is taken too.
 */
export function modelMetadata(endpoint: ServedEndpoint): ModelMetadataResponse {
  if (endpoint.signature !== undefined) return tensorMetadata(endpoint);
  const { plan, version, candidate } = endpoint;
  return {
    name: plan.name,
    versions: [version.version, ...(candidate === undefined ? [] : [candidate.version.version])],
    platform,
    inputs: plan.columns.map(({ name, type }) => ({ name, datatype: tensorTypes[type], shape: [-1, 1] })),
    outputs: [
      { name: scoreName(plan.task), datatype: 'FP32', shape: [-1] },
      { name: 'prediction_id', datatype: 'BYTES', shape: [-1] },
    ],
  };
}

const configTypes: Record<ColumnType, DataType> = {
  string: DataType.TYPE_STRING,
  int32: DataType.TYPE_INT32,
  int64: DataType.TYPE_INT64,
  float64: DataType.TYPE_FP64,
  bool: DataType.TYPE_BOOL,
  timestamp: DataType.TYPE_INT64,
};

/** The same as a configuration, where `dims` leave the batch's out. Requests are batched as they come, and nothing waits for company. */
export function modelConfig(endpoint: ServedEndpoint): ModelConfig {
  if (endpoint.signature !== undefined) return tensorConfig(endpoint);
  const { plan, version, candidate } = endpoint;
  const versions = [version, candidate?.version].flatMap((one) => (one === undefined ? [] : [Number(one.version)]));
  const output = (name: string, dataType: DataType) => ({
    name,
    dataType,
    dims: [],
    labelFilename: '',
    reshape: undefined,
  });
  return {
    name: plan.name,
    platform,
    backend: 'onnxruntime',
    versionPolicy: {
      policyChoice: { $case: 'specific', specific: { versions: versions.filter(Number.isSafeInteger) } },
    },
    maxBatchSize: maxRows,
    input: plan.columns.map(({ name, type, optional }) => ({
      name,
      dataType: configTypes[type],
      dims: [1],
      reshape: undefined,
      optional,
    })),
    output: [output(scoreName(plan.task), DataType.TYPE_FP32), output('prediction_id', DataType.TYPE_STRING)],
    schedulingChoice: {
      $case: 'dynamicBatching',
      dynamicBatching: { preferredBatchSize: [], maxQueueDelayMicroseconds: 0 },
    },
    modelTransactionPolicy: { decoupled: false },
  };
}
