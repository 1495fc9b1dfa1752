import { timestampMs } from '#libs/definitions/timestamp.js';
import type { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { decodeInputs, type Tensor } from '#libs/tensors/tensor-codec.js';
import type { LiveEndpoint } from './arms.js';
import type { EndpointPlan, InputColumn } from './endpoint-plan.js';
import { givenVector, tensorTypes } from './model-metadata.js';

export const maxRows = 1_000;
const maxTextBytes = 4_096;

export interface RequestRows {
  readonly rows: readonly Record<string, unknown>[];
  /** float32 [rows, features], where the caller sent the vectors whole. */
  readonly given: Float32Array | undefined;
}

const refuse = (message: string): never => {
  throw new MillraceError('invalid-argument', message);
};

/**
 * The rows of a request: one tensor [rows] (or [rows, 1]) a column; or `features` FP32 [rows, features] given whole, with the keys beside it.
 * @throws MillraceError invalid-argument naming the tensor, what came and what is right
 */
export function readRequest({ plan, version }: LiveEndpoint, request: ModelInferRequest): RequestRows {
  const { features } = version;
  const tensors = new Map<string, Tensor>();
  for (const tensor of decodeInputs(
    request.modelName,
    request.inputs,
    request.rawInputContents,
    maxRows * Math.max(1, features.length),
  )) {
    if (tensors.has(tensor.name)) refuse(`input '${tensor.name}' came twice`);
    tensors.set(tensor.name, tensor);
  }
  const vectors = tensors.get(givenVector);
  tensors.delete(givenVector);
  const count = rowCount(vectors ?? tensors.values().next().value, plan);
  const given = vectors === undefined ? undefined : readVectors(vectors, count, features.length);
  const rows = Array.from({ length: count }, (): Record<string, unknown> => ({}));
  const known = new Map(plan.columns.map((column) => [column.name, column]));
  for (const tensor of tensors.values()) {
    const column =
      known.get(tensor.name) ??
      refuse(
        `input '${tensor.name}' is not known to model '${plan.name}'; its inputs are ${[...known.keys()].join(', ')}`,
      );
    fill(rows, column, tensor);
  }
  if (given === undefined) {
    const missing = plan.columns
      .filter(({ name, optional }) => !optional && !tensors.has(name))
      .map(({ name }) => name);
    if (missing.length > 0)
      refuse(
        `expected ${plan.columns.length} inputs but got ${request.inputs.length} inputs for model '${plan.name}': ${missing.map((name) => `'${name}'`).join(', ')} missing`,
      );
  }
  return { rows, given };
}

function rowCount(tensor: Tensor | undefined, plan: EndpointPlan): number {
  if (tensor === undefined)
    return refuse(`no inputs for model '${plan.name}'; send ${plan.columns.map(({ name }) => name).join(', ')}`);
  const rows = tensor.shape[0]!;
  if (rows < 1 || rows > maxRows) refuse(`input '${tensor.name}': ${rows} rows; a request has 1 to ${maxRows}`);
  return rows;
}

function readVectors(tensor: Tensor, rows: number, width: number): Float32Array {
  if (tensor.datatype !== 'FP32') refuse(`input '${givenVector}': datatype ${tensor.datatype}, expected FP32`);
  if (tensor.shape.length !== 2 || tensor.shape[1] !== width)
    refuse(`input '${givenVector}': shape [${tensor.shape.join(',')}], expected [${rows},${width}]`);
  return Float32Array.from(tensor.values as ArrayLike<number>);
}

function fill(rows: Record<string, unknown>[], column: InputColumn, tensor: Tensor): void {
  const expected = tensorTypes[column.type];
  const asText = column.type === 'timestamp' && tensor.datatype === 'BYTES';
  if (tensor.datatype !== expected && !asText)
    refuse(`input '${tensor.name}': datatype ${tensor.datatype}, expected ${expected}`);
  if (tensor.shape[0] !== rows.length || tensor.values.length !== rows.length)
    refuse(`input '${tensor.name}': shape [${tensor.shape.join(',')}], expected [${rows.length}] as the other inputs`);
  const convert = converters[asText ? 'text-timestamp' : column.type];
  for (let i = 0; i < rows.length; i++) rows[i]![column.name] = convert(tensor.values[i], tensor.name);
}

const text = (value: unknown, name: string): string => {
  const string = value as string;
  if (string.length > maxTextBytes)
    refuse(`input '${name}': ${string.length} characters, at most ${maxTextBytes} are taken`);
  return string;
};

const converters: Record<InputColumn['type'] | 'text-timestamp', (value: unknown, name: string) => unknown> = {
  string: text,
  int32: (value) => value,
  int64: (value) => value,
  float64: (value) => (Number.isFinite(value) ? value : null),
  bool: (value) => value === 1,
  timestamp: (value) => value,
  'text-timestamp': (value, name) => {
    const ms = timestampMs(text(value, name));
    return ms === undefined
      ? refuse(`input '${name}': "${String(value)}" is not RFC 3339, e.g. 2001-06-10T08:15:00Z`)
      : ms;
  },
};
