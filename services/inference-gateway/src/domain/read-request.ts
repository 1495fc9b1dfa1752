import { timestampMs } from '#libs/definitions/timestamp.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { shown, type Tensor } from '#libs/tensors/tensor-codec.js';
import type { LiveEndpoint } from './arms.js';
import type { EndpointPlan, InputColumn } from './endpoint-plan.js';
import { type InferRequest, refuseMissing } from './infer-request.js';
import { givenVector, maxRows, tensorTypes } from './model-metadata.js';
import { exactFloats, exactly, holdsNumbers } from './numeric-column.js';

const maxTextBytes = 4_096;
const noColumns: RequestRows['rows'] = Array.from({ length: maxRows }, () => Object.freeze({}));

export interface RequestRows {
  readonly rows: readonly Record<string, unknown>[];
  /** float32 [rows, features], where the caller sent the vectors whole. */
  readonly given: Float32Array | undefined;
  /** They came with nothing beside them: no row has a column. */
  readonly alone: boolean;
}

const refuse = (message: string): never => {
  throw new MillraceError('invalid-argument', message);
};

/** Elements that one tensor of a request may have. */
export function maxElements({ version }: LiveEndpoint): number {
  return maxRows * Math.max(1, version.features.length);
}

/**
 * The rows of a request: one tensor [rows] (or [rows, 1]) a column; or `features` FP32 [rows, features] given whole, with the keys beside it. Numbers of another
 * datatype are taken where they are exact. The texts of what Triton refuses too are Triton's.
 * @throws MillraceError invalid-argument naming the tensor, what came and what is right
 */
export function readRequest({ plan, version }: LiveEndpoint, request: InferRequest): RequestRows {
  const { features } = version;
  const [first] = request.tensors;
  if (request.tensors.length === 1 && first!.name === givenVector) {
    const count = rowCount(first, plan);
    return { rows: noColumns.slice(0, count), given: readVectors(first!, count, features.length), alone: true };
  }
  const tensors = new Map<string, Tensor>();
  for (const tensor of request.tensors) {
    if (tensors.has(tensor.name)) refuse(`input '${shown(tensor.name)}' came twice`);
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
        `unexpected inference input '${shown(tensor.name)}' for model '${plan.name}'; its inputs are ${[...known.keys()].join(', ')}`,
      );
    fill(rows, column, tensor, plan.name);
  }
  if (given === undefined) checkMissing(plan, tensors);
  return { rows, given, alone: false };
}

function checkMissing(plan: EndpointPlan, tensors: ReadonlyMap<string, Tensor>): void {
  const required = plan.columns.filter(({ optional }) => !optional);
  const missing = required.filter(({ name }) => !tensors.has(name));
  if (missing.length === 0) return;
  const [least, most] = [required.length, plan.columns.length];
  const expected =
    least === most ? `expected ${most} inputs` : `expected number of inputs between ${least} and ${most}`;
  refuseMissing(
    plan.name,
    expected,
    [...tensors.keys()],
    missing.map(({ name }) => name),
  );
}

function rowCount(tensor: Tensor | undefined, plan: EndpointPlan): number {
  if (tensor === undefined) {
    checkMissing(plan, new Map());
    return refuse(`no inputs for model '${plan.name}'; send one of ${plan.columns.map(({ name }) => name).join(', ')}`);
  }
  const rows = tensor.shape[0]!;
  if (rows < 1) refuse(`input '${shown(tensor.name)}': ${rows} rows; a request has 1 to ${maxRows}`);
  if (rows > maxRows)
    refuse(
      `inference request batch-size must be <= ${maxRows} for '${plan.name}': input '${shown(tensor.name)}' has ${rows} rows`,
    );
  return rows;
}

function readVectors(tensor: Tensor, rows: number, width: number): Float32Array {
  if (tensor.datatype === 'BYTES' || tensor.datatype === 'BOOL')
    refuse(`input '${givenVector}': datatype ${tensor.datatype}, expected FP32`);
  if (tensor.shape.length !== 2 || tensor.shape[1] !== width)
    refuse(`input '${givenVector}': shape [${tensor.shape.join(',')}], expected [${rows},${width}]`);
  return exactFloats(tensor);
}

function fill(rows: Record<string, unknown>[], { name, type }: InputColumn, tensor: Tensor, model: string): void {
  const { datatype, shape, values } = tensor;
  const expected = tensorTypes[type];
  const asText = type === 'timestamp' && datatype === 'BYTES';
  if (datatype !== expected && !asText && !holdsNumbers(type, datatype))
    refuse(
      `inference input '${name}' data-type is '${datatype}', but model '${model}' expects '${expected}'${type === 'timestamp' ? ', or BYTES in RFC 3339' : ''}`,
    );
  if (shape[0] !== rows.length || values.length !== rows.length)
    refuse(
      `unexpected shape for input '${name}' for model '${model}'. Expected [${rows.length}] as the other inputs, got [${shape.join(',')}]`,
    );
  const convert = datatype === expected || asText ? converters[asText ? 'text-timestamp' : type] : undefined;
  if (convert !== undefined) for (let i = 0; i < rows.length; i++) rows[i]![name] = convert(values[i], name);
  else fillExactly(rows, { name, type }, tensor);
}

function fillExactly(
  rows: Record<string, unknown>[],
  { name, type }: Pick<InputColumn, 'name' | 'type'>,
  tensor: Tensor,
): void {
  for (let i = 0; i < rows.length; i++) {
    const value = exactly(type as Exclude<InputColumn['type'], 'string'>, tensor.values[i] as number, tensor, i);
    rows[i]![name] = type === 'bool' ? value === 1 : value;
  }
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
      ? refuse(`input '${name}': "${shown(String(value))}" is not RFC 3339, e.g. 2001-06-10T08:15:00Z`)
      : ms;
  },
};
