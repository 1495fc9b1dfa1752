import type { TensorSpec } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { maxRank } from '#libs/tensors/raw-tensor.js';
import { shown, type TensorHead } from '#libs/tensors/tensor-codec.js';
import { checkRequested, refuseMissing, type RequestedOutput } from './infer-request.js';
import type { TensorEndpoint } from './tensor-endpoint.js';

const refuse = (message: string): never => {
  throw new MillraceError('invalid-argument', message);
};

/**
 * Holds a request's inputs against those of the model before anything is decoded, in Triton's words.
 * @throws MillraceError invalid-argument: an input that the model has not, that is missing or comes twice, of another datatype, rank or dimension
 */
export function checkInputs({ plan, signature }: TensorEndpoint, inputs: readonly TensorHead[]): void {
  const seen = new Set<string>();
  for (const input of inputs) {
    const spec = signature.inputs.find(({ name }) => name === input.name);
    if (spec === undefined)
      return refuse(
        `unexpected inference input '${shown(input.name)}' for model '${plan.name}'; its inputs are ${signature.inputs.map(({ name }) => name).join(', ')}`,
      );
    if (seen.has(input.name)) refuse(`input '${shown(input.name)}' came twice`);
    seen.add(input.name);
    checkInput(plan.name, spec, input);
  }
  const missing = signature.inputs.map(({ name }) => name).filter((name) => !seen.has(name));
  if (missing.length > 0) refuseMissing(plan.name, `expected ${signature.inputs.length} inputs`, [...seen], missing);
}

function checkInput(model: string, spec: TensorSpec, { name, datatype, shape }: TensorHead): void {
  if (datatype !== spec.datatype)
    refuse(
      `inference input '${name}' data-type is '${shown(datatype)}', but model '${model}' expects '${spec.datatype}'`,
    );
  const fits = shape.length === spec.shape.length && spec.shape.every((size, i) => size === -1 || size === shape[i]);
  if (!fits)
    refuse(
      `unexpected shape for input '${name}' for model '${model}'. Expected [${spec.shape.join(',')}], got [${shape.slice(0, maxRank + 1).join(',')}]`,
    );
}

/** @throws MillraceError invalid-argument where an output is not the model's, comes twice, or has no classes */
export function checkTensorOutputs({ plan, signature }: TensorEndpoint, outputs: readonly RequestedOutput[]): void {
  const datatypes = new Map(signature.outputs.map(({ name, datatype }) => [name, datatype]));
  const unclassed = (name: string) =>
    datatypes.get(name) === 'BYTES' ? 'of numbers, not of a BYTES output' : undefined;
  checkRequested(plan.name, outputs, [...datatypes.keys()], (name) => datatypes.has(name), unclassed);
}
