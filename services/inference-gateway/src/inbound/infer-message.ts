import type {
  InferParameter,
  ModelInferRequest,
  ModelInferResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { decodeInputs, encodeStrings, float32Bytes } from '#libs/tensors/tensor-codec.js';
import type { Answer, OutputTensor } from '../domain/answer.js';
import type { LiveEndpoint } from '../domain/arms.js';
import { checkSize, type InferRequest } from '../domain/infer-request.js';
import { maxElements } from '../domain/read-request.js';
import { classesOf, expiryOf, priorityOf, type ParameterValue } from '../domain/request-parameters.js';

/** A request as its message says it. @throws MillraceError invalid-argument naming what is wrong */
export function fromMessage(endpoint: LiveEndpoint, request: ModelInferRequest): InferRequest {
  const { id, inputs, rawInputContents, outputs, parameters } = request;
  checkSize(endpoint, id, inputs.length);
  const names = Object.keys(parameters);
  return {
    id,
    tensors: decodeInputs(endpoint.plan.name, inputs, rawInputContents, maxElements(endpoint)),
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
  };
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

/** An answer as its message, always raw: clients that send typed contents read raw ones too, and some read nothing else. */
export function toMessage({ modelName, modelVersion, id, fallback, outputs }: Answer): ModelInferResponse {
  return {
    modelName,
    modelVersion,
    id,
    parameters: fallback ? { fallback: boolParameter(true) } : {},
    outputs: outputs.map(({ name, datatype, shape }) => ({
      name,
      datatype,
      shape,
      parameters: {},
      contents: undefined,
    })),
    rawOutputContents: outputs.map(rawBytes),
  };
}

/** The raw form of an output: little-endian, row-major; BYTES each with its length before it. */
export function rawBytes({ values }: OutputTensor): Buffer {
  return values instanceof Float32Array ? float32Bytes(values) : encodeStrings(values);
}
