import {
  DataType,
  type ModelConfig,
  type ModelMetadataResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import type { TensorSpec } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import type { TensorEndpoint } from './tensor-endpoint.js';

/** Of a model that is served elsewhere the platform is not known here. */
const platformOf = ({ version }: TensorEndpoint): string =>
  version.upstream === undefined ? 'onnxruntime_onnx' : 'open_inference_upstream';

/** The model's own inputs and outputs. */
export function tensorMetadata(endpoint: TensorEndpoint): ModelMetadataResponse {
  const { plan, version, candidate, signature } = endpoint;
  return {
    name: plan.name,
    versions: [version.version, ...(candidate === undefined ? [] : [candidate.version.version])],
    platform: platformOf(endpoint),
    inputs: signature.inputs.map(copied),
    outputs: signature.outputs.map(copied),
  };
}

/** The same as a configuration. Nothing batches such requests, so `max_batch_size` is 0 and `dims` are the whole shapes. */
export function tensorConfig(endpoint: TensorEndpoint): ModelConfig {
  const { plan, version, candidate, signature } = endpoint;
  const versions = [version, candidate?.version].flatMap((one) => (one === undefined ? [] : [Number(one.version)]));
  return {
    name: plan.name,
    platform: platformOf(endpoint),
    backend: version.upstream === undefined ? 'onnxruntime' : '',
    versionPolicy: {
      policyChoice: { $case: 'specific', specific: { versions: versions.filter(Number.isSafeInteger) } },
    },
    maxBatchSize: 0,
    input: signature.inputs.map((spec) => ({ ...configured(spec), optional: false })),
    output: signature.outputs.map((spec) => ({ ...configured(spec), labelFilename: '' })),
    schedulingChoice: undefined,
    modelTransactionPolicy: { decoupled: false },
  };
}

function copied({ name, datatype, shape }: TensorSpec): TensorSpec {
  return { name, datatype, shape: [...shape] };
}

function configured({ name, datatype, shape }: TensorSpec) {
  const type = datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`;
  return { name, dataType: DataType[type as keyof typeof DataType], dims: [...shape], reshape: undefined };
}
