import type { ModelInferRequest_InferInputTensor as InputTensor } from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { decodeJson } from './json-tensor.js';
import { type NumberFormat, numberFormats } from './number-formats.js';
import {
  asBuffer,
  decodeInputs,
  eachString,
  encodeStrings,
  float32Bytes,
  formatOf,
  shown,
  type Tensor,
  type TensorHead,
} from './tensor-codec.js';

/** A tensor whose elements are handed on as they are. */
export interface RawTensor extends TensorHead {
  /** Row-major little-endian; BYTES: each element after its length, uint32. */
  readonly data: Buffer;
}

export const maxRank = 8;

const refuse = (message: string): never => {
  throw new MillraceError('invalid-argument', message);
};

/**
 * How many elements a shape of a model of any kind has; none of no sizes is one, a scalar.
 * @throws MillraceError invalid-argument where it has more than 8 sizes, one below 0, or more elements than 2^53
 */
export function countOf({ name, shape }: TensorHead): number {
  if (shape.length > maxRank) refuse(`input '${shown(name)}': shape has ${shape.length} sizes, at most ${maxRank} are`);
  let elements = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0)
      refuse(`input '${shown(name)}': shape [${shape.join(',')}] must be of sizes of 0 or more`);
    elements *= size;
  }
  if (!Number.isSafeInteger(elements)) refuse(`input '${shown(name)}': shape [${shape.join(',')}] is too large`);
  return elements;
}

/**
 * The inputs of a request as raw tensors: raw contents are checked for their size and not looked into, typed ones are written as raw.
 * @throws MillraceError invalid-argument naming the tensor, what came and what is right, as decodeInputs
 */
export function rawInputs(model: string, inputs: readonly InputTensor[], raw: readonly Uint8Array[]): RawTensor[] {
  if (raw.length > 0 && raw.length === inputs.length && inputs.every(({ contents }) => contents === undefined))
    return inputs.map((input, i) => rawTensor(model, input, asBuffer(raw[i]!)));
  const flat = inputs.map((input) => ({ ...input, shape: [countOf(input)] }));
  return decodeInputs(model, flat, raw, Number.MAX_SAFE_INTEGER).map((tensor, i) =>
    encoded({ ...tensor, shape: inputs[i]!.shape }),
  );
}

/** One tensor from its raw bytes, which are checked for their size. @throws MillraceError invalid-argument */
export function rawTensor(model: string, head: TensorHead, data: Buffer): RawTensor {
  const { name, datatype, shape } = head;
  const elements = countOf(head);
  const format = formatOf(head);
  if (format === undefined) checkStrings(name, data, elements);
  else if (data.length !== elements * format.bytes)
    refuse(
      `input byte size mismatch for input '${shown(name)}' for model '${shown(model)}'. Expected ${elements * format.bytes}, got ${data.length}`,
    );
  return { name, datatype, shape, data };
}

/** One tensor from its JSON data, flat or nested. FP16 and BF16 come raw alone. @throws MillraceError invalid-argument, as decodeJson */
export function rawFromJson(head: TensorHead, data: unknown): RawTensor {
  const flat = { name: head.name, datatype: head.datatype, shape: [countOf(head)] };
  const format = formatOf(head);
  if (format !== undefined && format.typed === undefined)
    refuse(`input '${shown(head.name)}': ${head.datatype} has no JSON form; send it in binary`);
  return encoded({ ...decodeJson(flat, data, Number.MAX_SAFE_INTEGER), shape: head.shape });
}

/** Elements of a raw tensor as JSON has them: text, true and false, numbers. Of 64 bit integers beyond 2^53 the digits, as text. */
export function elementsOfRaw({ datatype, data }: Pick<RawTensor, 'datatype' | 'data'>, most = Infinity): unknown[] {
  const values: unknown[] = [];
  if (datatype === 'BYTES') {
    for (let at = 0; at < data.length && values.length < most;) {
      const length = data.readUInt32LE(at);
      values.push(data.toString('utf8', at + 4, at + 4 + length));
      at += 4 + length;
    }
    return values;
  }
  const { bytes, read } = numberFormats[datatype]!;
  for (let at = 0; at < data.length && values.length < most; at += bytes) {
    const value = read(data, at);
    if (datatype === 'BOOL') values.push(value === 1);
    else if (bytes === 8 && datatype !== 'FP64' && !Number.isSafeInteger(value))
      values.push(String(datatype === 'INT64' ? data.readBigInt64LE(at) : data.readBigUInt64LE(at)));
    else values.push(value);
  }
  return values;
}

/** Values as raw bytes. */
function encoded({ name, datatype, shape, values }: Tensor): RawTensor {
  if (datatype === 'BYTES') return { name, datatype, shape, data: encodeStrings(values as readonly string[]) };
  if (values instanceof Float32Array) return { name, datatype, shape, data: float32Bytes(values) };
  const format = numberFormats[datatype] as NumberFormat;
  const write = writers[datatype]!;
  const data = Buffer.alloc(values.length * format.bytes);
  for (let i = 0; i < values.length; i++) write(data, values[i] as number, i * format.bytes);
  return { name, datatype, shape, data };
}

type Write = (buffer: Buffer, value: number, at: number) => void;

/** Of the datatypes that have a typed form. */
const writers: Readonly<Record<string, Write>> = {
  BOOL: (b, value, at) => b.writeUInt8(value === 0 ? 0 : 1, at),
  INT8: (b, value, at) => b.writeInt8(value, at),
  INT16: (b, value, at) => b.writeInt16LE(value, at),
  INT32: (b, value, at) => b.writeInt32LE(value, at),
  INT64: (b, value, at) => b.writeBigInt64LE(BigInt(value), at),
  UINT8: (b, value, at) => b.writeUInt8(value, at),
  UINT16: (b, value, at) => b.writeUInt16LE(value, at),
  UINT32: (b, value, at) => b.writeUInt32LE(value, at),
  UINT64: (b, value, at) => b.writeBigUInt64LE(BigInt(value), at),
  FP32: (b, value, at) => b.writeFloatLE(value, at),
  FP64: (b, value, at) => b.writeDoubleLE(value, at),
};

function checkStrings(name: string, data: Buffer, elements: number): void {
  let found = 0;
  eachString(name, data, () => (found += 1) > 0);
  if (found !== elements)
    refuse(`unexpected number of string elements ${found} for inference input '${shown(name)}', expecting ${elements}`);
}
