import { MillraceError } from '#libs/errors/millrace-error.js';
import { numberFormats } from '#libs/tensors/number-formats.js';
import { decodeRaw } from '#libs/tensors/tensor-codec.js';
import type { LiveEndpoint } from '../domain/arms.js';
import { tensorTypes } from '../domain/model-metadata.js';
import type { InferRequest } from '../domain/infer-request.js';
import { maxElements } from '../domain/read-request.js';

/**
 * A raw binary request: the body is the one input of the model, BYTES as one element, others as many as fit in; nothing else can be said of it.
 * @throws MillraceError invalid-argument where the model takes more than one input
 */
export function rawRequest(endpoint: LiveEndpoint, body: Buffer): InferRequest {
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
