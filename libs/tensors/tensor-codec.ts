import type {
  InferTensorContents,
  ModelInferRequest_InferInputTensor as InputTensor,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

/** One input of a request, decoded: row-major values. BYTES are UTF-8 strings; INT64 and UINT64 are numbers, refused beyond 2^53. */
export interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly values: ArrayLike<number> | readonly string[];
}

interface NumberFormat {
  readonly bytes: number;
  read(buffer: Buffer, at: number): number;
  typed(contents: InferTensorContents): readonly (number | boolean)[];
}

const numberFormats: Record<string, NumberFormat> = {
  BOOL: { bytes: 1, read: (b, at) => (b[at] === 0 ? 0 : 1), typed: (c) => c.boolContents },
  INT8: { bytes: 1, read: (b, at) => b.readInt8(at), typed: (c) => c.intContents },
  INT16: { bytes: 2, read: (b, at) => b.readInt16LE(at), typed: (c) => c.intContents },
  INT32: { bytes: 4, read: (b, at) => b.readInt32LE(at), typed: (c) => c.intContents },
  INT64: { bytes: 8, read: (b, at) => Number(b.readBigInt64LE(at)), typed: (c) => c.int64Contents },
  UINT8: { bytes: 1, read: (b, at) => b[at]!, typed: (c) => c.uintContents },
  UINT16: { bytes: 2, read: (b, at) => b.readUInt16LE(at), typed: (c) => c.uintContents },
  UINT32: { bytes: 4, read: (b, at) => b.readUInt32LE(at), typed: (c) => c.uintContents },
  UINT64: { bytes: 8, read: (b, at) => Number(b.readBigUInt64LE(at)), typed: (c) => c.uint64Contents },
  FP32: { bytes: 4, read: (b, at) => b.readFloatLE(at), typed: (c) => c.fp32Contents },
  FP64: { bytes: 8, read: (b, at) => b.readDoubleLE(at), typed: (c) => c.fp64Contents },
};

/** The datatypes that are read; FP16 and BF16 are not. */
export const datatypes: readonly string[] = [...Object.keys(numberFormats), 'BYTES'];

const refuse = (message: string): never => {
  throw new MillraceError('invalid-argument', message);
};

/**
 * Decodes the inputs of a request: raw (little-endian, row-major, one buffer an input in order, BYTES with a uint32 length before each element) or typed, never both.
 * No input gives an empty list.
 * @param maxElements of one tensor
 * @throws MillraceError invalid-argument naming the tensor, what came and what is right
 */
export function decodeInputs(
  model: string,
  inputs: readonly InputTensor[],
  raw: readonly Uint8Array[],
  maxElements: number,
): Tensor[] {
  if (raw.length > 0 && raw.length !== inputs.length)
    refuse(
      `raw_input_contents: ${raw.length} buffers for ${inputs.length} inputs of model '${model}'; send one for each input, in order`,
    );
  return inputs.map((input, i) => {
    const elements = elementsOf(input, maxElements);
    if (raw.length === 0) return decodeTyped(input, elements);
    if (input.contents !== undefined)
      refuse(
        `contents field must not be specified when using raw_input_contents for '${input.name}' for model '${model}'`,
      );
    return decodeRaw(model, input, asBuffer(raw[i]!), elements);
  });
}

function elementsOf(input: InputTensor, maxElements: number): number {
  const elements = input.shape.reduce((product, size) => product * size, 1);
  if (input.shape.length === 0 || input.shape.length > 4 || input.shape.some((size) => size < 0))
    refuse(`input '${input.name}': shape [${input.shape.join(',')}] must have 1 to 4 sizes of 0 or more`);
  if (elements > maxElements) refuse(`input '${input.name}': ${elements} elements, at most ${maxElements} are taken`);
  return elements;
}

function decodeTyped(input: InputTensor, elements: number): Tensor {
  const format = numberFormats[input.datatype];
  const contents = input.contents;
  const values =
    contents === undefined
      ? []
      : format !== undefined
        ? format.typed(contents)
        : input.datatype === 'BYTES'
          ? contents.bytesContents
          : unknown(input);
  if (values.length !== elements)
    refuse(
      `input '${input.name}': ${values.length} elements for shape [${input.shape.join(',')}], expected ${elements}`,
    );
  return tensorOf(
    input,
    format === undefined
      ? (values as Uint8Array[]).map((bytes) => asBuffer(bytes).toString('utf8'))
      : (values as number[]).map(Number),
  );
}

function decodeRaw(model: string, input: InputTensor, buffer: Buffer, elements: number): Tensor {
  if (input.datatype === 'BYTES') return tensorOf(input, decodeStrings(input, buffer, elements));
  const format = numberFormats[input.datatype] ?? unknown(input);
  const expected = elements * format.bytes;
  if (buffer.length !== expected)
    refuse(
      `input byte size mismatch for input '${input.name}' for model '${model}'. Expected ${expected}, got ${buffer.length}`,
    );
  if (input.datatype === 'FP32') return tensorOf(input, float32View(buffer));
  const values = new Float64Array(elements);
  for (let i = 0; i < elements; i++) values[i] = format.read(buffer, i * format.bytes);
  return tensorOf(input, values);
}

function tensorOf(input: InputTensor, values: ArrayLike<number> | string[]): Tensor {
  if (input.datatype.endsWith('64') && input.datatype !== 'FP64') {
    const list = values as ArrayLike<number>;
    for (let i = 0; i < list.length; i++)
      if (!Number.isSafeInteger(list[i]))
        refuse(`input '${input.name}': element ${i} is beyond 2^53, the largest that is taken`);
  }
  return { name: input.name, datatype: input.datatype, shape: input.shape, values };
}

function decodeStrings(input: InputTensor, buffer: Buffer, elements: number): string[] {
  const values: string[] = [];
  let at = 0;
  while (at < buffer.length && values.length <= elements) {
    const length = at + 4 <= buffer.length ? buffer.readUInt32LE(at) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > buffer.length)
      refuse(
        `input '${input.name}': element ${values.length} reaches beyond the ${buffer.length} bytes sent; each element is a uint32 length and its bytes`,
      );
    values.push(buffer.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
  }
  if (values.length !== elements)
    refuse(
      `input '${input.name}': ${values.length} elements for shape [${input.shape.join(',')}], expected ${elements}`,
    );
  return values;
}

function unknown(input: InputTensor): never {
  return refuse(`input '${input.name}': datatype "${input.datatype}" is not read; use one of ${datatypes.join(', ')}`);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** float32 little-endian bytes as numbers; copies only where the bytes are not aligned to 4. */
export function float32View(bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}

/** The bytes of float32 values, little-endian, without a copy. */
export function float32Bytes(values: Float32Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

/** BYTES elements: a uint32 little-endian length and the UTF-8 bytes of each; empty gives no bytes. */
export function encodeStrings(values: readonly string[]): Buffer {
  return Buffer.concat(
    values.flatMap((value) => {
      const bytes = Buffer.from(value);
      const length = Buffer.allocUnsafe(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}
