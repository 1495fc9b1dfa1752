import type {
  InferParameter,
  ModelInferRequest,
  ModelInferResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { rawInputs, type RawTensor } from '#libs/tensors/raw-tensor.js';
import { decodeInputs, encodeStrings, float32Bytes } from '#libs/tensors/tensor-codec.js';
import type { Answer, OutputTensor } from '../domain/answer.js';
import { checkInputs } from '../domain/check-tensors.js';
import { checkSize, type InferRequest } from '../domain/infer-request.js';
import { maxElements } from '../domain/read-request.js';
import { classesOf, expiryOf, flag, priorityOf, type ParameterValue } from '../domain/request-parameters.js';
import type { ServedEndpoint, TensorEndpoint } from '../domain/tensor-endpoint.js';

/** A request as its message says it. @throws MillraceError invalid-argument naming what is wrong */
export function fromMessage(endpoint: ServedEndpoint, request: ModelInferRequest): InferRequest {
  const { id, inputs, rawInputContents, outputs, parameters } = request;
  checkSize(endpoint, id, inputs.length);
  const names = Object.keys(parameters);
  return {
    id,
    tensors:
      endpoint.signature === undefined
        ? decodeInputs(endpoint.plan.name, inputs, rawInputContents, maxElements(endpoint))
        : [],
    raw: endpoint.signature === undefined ? undefined : rawTensors(endpoint, inputs, rawInputContents),
    outputs: outputs.map((output) => ({
      name: output.name,
      classes: classesOf(
        output.name,
        valueOf(output.parameters['classification']),
        Object.hasOwn(output.parameters, 'classification'),
      ),
    })),
    priority: names.length === 0 ? 0 : priorityOf((name) => valueOf(parameters[name])),
    expiresAtMs: names.length === 0 ? Number.POSITIVE_INFINITY : expiryOf(names, (name) => valueOf(parameters[name])),
    explain: names.includes('explain') && flag('explain', valueOf(parameters['explain'])),
  };
}

/** Checked before they are decoded, for what is wrong with a tensor is then said of the model's own. */
function rawTensors(
  endpoint: TensorEndpoint,
  inputs: ModelInferRequest['inputs'],
  raw: ModelInferRequest['rawInputContents'],
): RawTensor[] {
  checkInputs(endpoint, inputs);
  return rawInputs(endpoint.plan.name, inputs, raw);
}

/** A parameter's value; undefined = it has none, or none of a kind that is known. */
export function valueOf(parameter: InferParameter | undefined): ParameterValue {
  const choice = parameter?.parameterChoice;
  switch (choice?.$case) {
    case 'boolParam':
      return choice.boolParam;
    case 'int64Param':
      return choice.int64Param;
    case 'stringParam':
      return choice.stringParam;
    case 'doubleParam':
      return choice.doubleParam;
    case 'uint64Param':
      return choice.uint64Param;
    default:
      return undefined;
  }
}

export const boolParameter = (value: boolean): InferParameter => ({
  parameterChoice: { $case: 'boolParam', boolParam: value },
});

const stringParameter = (value: string): InferParameter => ({
  parameterChoice: { $case: 'stringParam', stringParam: value },
});

function parametersOf(fallback: boolean, predictionId: string | undefined): ModelInferResponse['parameters'] {
  if (predictionId !== undefined) return { prediction_id: stringParameter(predictionId) };
  return fallback ? { fallback: boolParameter(true) } : {};
}

/** An answer as its message, always raw: clients that send typed contents read raw ones too, and some read nothing else. */
export function toMessage({
  modelName,
  modelVersion,
  id,
  fallback,
  predictionId,
  outputs,
}: Answer): ModelInferResponse {
  return {
    modelName,
    modelVersion,
    id,
    parameters: parametersOf(fallback, predictionId),
    outputs: outputs.map(({ name, datatype, shape }) => ({
      name,
      datatype,
      shape: shape as number[],
      parameters: {},
      contents: undefined,
    })),
    rawOutputContents: outputs.map(rawBytes),
  };
}

/** The raw form of an output: little-endian, row-major; BYTES each with its length before it. */
export function rawBytes(output: OutputTensor): Buffer {
  if ('data' in output) return output.data;
  const { values } = output;
  if (values instanceof Float32Array) return float32Bytes(values);
  if (values instanceof Float64Array) return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return encodeStrings(values);
}
