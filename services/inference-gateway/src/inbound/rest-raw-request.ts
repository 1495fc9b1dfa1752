import { MillraceError } from '#libs/errors/millrace-error.js';
import { numberFormats } from '#libs/tensors/number-formats.js';
import { rawTensor } from '#libs/tensors/raw-tensor.js';
import { decodeRaw, encodeStrings } from '#libs/tensors/tensor-codec.js';
import { tensorTypes } from '../domain/model-metadata.js';
import type { InferRequest } from '../domain/infer-request.js';
import { maxElements } from '../domain/read-request.js';
import type { ServedEndpoint, TensorEndpoint } from '../domain/tensor-endpoint.js';

/**
 * A raw binary request: the body is the one input of the model, BYTES as one element, others as many as fit in; nothing else can be said of it.
 * @throws MillraceError invalid-argument where the model takes more than one input
 */
export function rawRequest(endpoint: ServedEndpoint, body: Buffer): InferRequest {
  if (endpoint.signature !== undefined) return rawTensorRequest(endpoint, body);
  const { columns, name: model } = endpoint.plan;
  const required = columns.filter(({ optional }) => !optional);
  const column = required.length === 1 ? required[0] : undefined;
  if (column === undefined)
    throw new MillraceError(
      'invalid-argument',
      `Inference-Header-Content-Length: 0 is a raw binary request, for models of one input; '${model}' has ${required.length}: ${required.map(({ name }) => name).join(', ')}`,
    );
  const datatype = tensorTypes[column.type];
  const elementBytes = numberFormats[datatype]?.bytes;
  const tensor =
    elementBytes === undefined
      ? { name: column.name, datatype, shape: [1], values: [body.toString('utf8')] }
      : decodeRaw(
          model,
          { name: column.name, datatype, shape: [Math.ceil(body.length / elementBytes)] },
          body,
          maxElements(endpoint),
        );
  return { id: '', tensors: [tensor], outputs: [], priority: 0, expiresAtMs: Number.POSITIVE_INFINITY };
}

/** The one dimension that the model leaves open is as long as the body has elements. */
function rawTensorRequest({ plan, signature }: TensorEndpoint, body: Buffer): InferRequest {
  const [input, ...more] = signature.inputs;
  const open = input?.shape.filter((size) => size === -1).length ?? 0;
  if (input === undefined || more.length > 0 || open > 1)
    throw new MillraceError(
      'invalid-argument',
      `Inference-Header-Content-Length: 0 is a raw binary request, for models of one input with one open dimension; '${plan.name}' has ${signature.inputs.length}, with ${open} in the first`,
    );
  const { name, datatype } = input;
  const data = datatype === 'BYTES' ? encodeStrings([body.toString('utf8')]) : body;
  const elements = datatype === 'BYTES' ? 1 : body.length / (numberFormats[datatype]?.bytes ?? 1);
  const known = input.shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const shape = input.shape.map((size) => (size === -1 ? Math.ceil(elements / known) : size));
  const raw = [rawTensor(plan.name, { name, datatype, shape }, data)];
  return { id: '', tensors: [], raw, outputs: [], priority: 0, expiresAtMs: Number.POSITIVE_INFINITY };
}
