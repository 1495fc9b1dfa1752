import type { ModelMetadataResponse } from '#libs/contracts/generated/inference/v2/inference.js';
import type { ColumnType } from '#libs/definitions/definition-kinds.js';
import type { LiveEndpoint } from './arms.js';

/** How a column travels as a tensor [-1]. A timestamp may also come as BYTES in RFC 3339. */
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

/** What the protocol's clients read to build a request: the columns as inputs, the score and the prediction's id as outputs. */
export function modelMetadata({ plan, version }: LiveEndpoint): ModelMetadataResponse {
  return {
    name: plan.name,
    versions: [version.version],
    platform: 'onnxruntime_onnx',
    inputs: plan.columns.map(({ name, type }) => ({ name, datatype: tensorTypes[type], shape: [-1] })),
    outputs: [
      { name: scoreName(plan.task), datatype: 'FP32', shape: [-1] },
      { name: 'prediction_id', datatype: 'BYTES', shape: [-1] },
    ],
  };
}
