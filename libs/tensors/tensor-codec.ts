import type {
  InferTensorContents,
  ModelInferRequest_InferInputTensor as InputTensor,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { datatypes, type NumberFormat, numberFormats } from './number-formats.js';

/** What a tensor says of itself. */
export interface TensorHead {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** One input of a request, decoded: row-major values. BYTES are UTF-8 strings; INT64 and UINT64 are numbers, refused beyond 2^53. */
export interface Tensor extends TensorHead {
  readonly values: ArrayLike<number> | readonly string[];
}

const maxSizes = 4;
const maxShown = 64;

const refuse = (message: string): never => {
  throw new MillraceError('invalid-argument', message);
};

/** A name as an error repeats it: a stranger's may be megabytes long. */
export function shown(text: string): string {
  return text.length <= maxShown ? text : `${text.slice(0, maxShown)}...`;
}

/**
 * Decodes the inputs of a request: raw (little-endian, row-major, one buffer an input in order, BYTES with a uint32 length before each element) or typed, never both.
 * No input gives an empty list. The texts of what Triton refuses too are Triton's.
 * @param maxElements of one tensor
 * @throws MillraceError invalid-argument naming the tensor, what came and what is right
 */
export function decodeInputs(
  model: string,
  inputs: readonly InputTensor[],
  raw: readonly Uint8Array[],
  maxElements: number,
): Tensor[] {
  if (raw.length > 0) checkRaw(model, inputs, raw.length);
  return inputs.map((input, i) =>
    raw.length === 0 ? decodeTyped(model, input, maxElements) : decodeRaw(model, input, asBuffer(raw[i]!), maxElements),
  );
}

function checkRaw(model: string, inputs: readonly InputTensor[], buffers: number): void {
  const both = inputs.find(({ contents }) => contents !== undefined);
  if (both !== undefined)
    refuse(
      `contents field must not be specified when using raw_input_contents for '${shown(both.name)}' for model '${shown(model)}'`,
    );
  if (buffers !== inputs.length)
    refuse(
      `raw_input_contents: ${buffers} buffers for ${inputs.length} inputs of model '${shown(model)}'; send one for each input, in order`,
    );
}

/**
 * How many elements a shape has.
 * @throws MillraceError invalid-argument where it has no or more than 4 sizes, one below 0, or more elements than `maxElements`
 */
export function elementsOf({ name, shape }: TensorHead, maxElements: number): number {
  if (shape.length === 0 || shape.length > maxSizes)
    refuse(`input '${shown(name)}': shape has ${shape.length} sizes, expected 1 to ${maxSizes}`);
  let elements = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0)
      refuse(`input '${shown(name)}': shape [${shape.join(',')}] must be of sizes of 0 or more`);
    elements *= size;
  }
  // A product beyond 2^53 is not exact any more, and is far beyond the bound.
  if (elements > maxElements)
    refuse(
      `input '${shown(name)}': shape [${shape.join(',')}] has ${elements} elements, at most ${maxElements} are taken`,
    );
  return elements;
}

function decodeTyped(model: string, input: InputTensor, maxElements: number): Tensor {
  const elements = elementsOf(input, maxElements);
  const format = formatOf(input);
  const field = format === undefined ? 'bytesContents' : format.typed;
  if (field === undefined)
    return refuse(
      `input '${shown(input.name)}': ${input.datatype} has no typed contents; send it in raw_input_contents`,
    );
  const values: readonly unknown[] = input.contents?.[field] ?? [];
  if (values.length !== elements) {
    checkField(model, input, field);
    refuse(miscounted(input, values.length, elements));
  }
  if (format === undefined)
    return tensorOf(
      input,
      (values as Uint8Array[]).map((bytes) => asBuffer(bytes).toString('utf8')),
    );
  if (field === 'boolContents') return tensorOf(input, (values as boolean[]).map(Number));
  checkRange(input, values as number[], format);
  return tensorOf(input, values as number[]);
}

/** Where the elements came in another type's field that is what is wrong. */
function checkField(model: string, input: InputTensor, field: keyof InferTensorContents): void {
  for (const [other, typeName] of fields)
    if (other !== field && (input.contents?.[other].length ?? 0) > 0)
      refuse(
        `unexpected explicit tensor data for input tensor '${shown(input.name)}' for model '${shown(model)}' of type '${typeName}', expected datatype '${input.datatype}'`,
      );
}

const fields: readonly (readonly [keyof InferTensorContents, string])[] = [
  ['boolContents', 'BOOL'],
  ['intContents', 'INT32'],
  ['int64Contents', 'INT64'],
  ['uintContents', 'UINT32'],
  ['uint64Contents', 'UINT64'],
  ['fp32Contents', 'FP32'],
  ['fp64Contents', 'FP64'],
  ['bytesContents', 'BYTES'],
];

/** One tensor from its raw bytes. @throws MillraceError invalid-argument, as decodeInputs */
export function decodeRaw(model: string, input: TensorHead, buffer: Buffer, maxElements: number): Tensor {
  const elements = elementsOf(input, maxElements);
  const format = formatOf(input);
  if (format === undefined) return tensorOf(input, decodeStrings(input, buffer, elements));
  const expected = elements * format.bytes;
  if (buffer.length !== expected)
    refuse(
      `input byte size mismatch for input '${shown(input.name)}' for model '${shown(model)}'. Expected ${expected}, got ${buffer.length}`,
    );
  if (input.datatype === 'FP32') return tensorOf(input, float32View(buffer));
  const values = new Float64Array(elements);
  for (let i = 0; i < elements; i++) values[i] = format.read(buffer, i * format.bytes);
  if (format.bytes === 8) checkRange(input, values, format);
  return tensorOf(input, values);
}

/** @throws MillraceError invalid-argument at the first value that the datatype does not hold */
export function checkRange(input: TensorHead, values: ArrayLike<number>, { range }: NumberFormat): void {
  if (range === undefined) return;
  const [min, max] = range;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value >= min && value <= max && Number.isInteger(value)) continue;
    const limit = input.datatype.endsWith('64') ? ' (beyond 2^53 none is exact)' : '';
    refuse(
      `input '${shown(input.name)}': element ${i} is ${value}; ${input.datatype} takes integers from ${min} to ${max}${limit}`,
    );
  }
}

function tensorOf({ name, datatype, shape }: TensorHead, values: Tensor['values']): Tensor {
  return { name, datatype, shape, values };
}

/** Undefined = BYTES. */
export function formatOf({ name, datatype }: TensorHead): NumberFormat | undefined {
  if (datatype === 'BYTES') return undefined;
  const format = Object.hasOwn(numberFormats, datatype) ? numberFormats[datatype] : undefined;
  return (
    format ??
    refuse(`input '${shown(name)}': datatype "${shown(datatype)}" is not known; use one of ${datatypes.join(', ')}`)
  );
}

export function miscounted({ name, shape }: TensorHead, got: number, expected: number): string {
  return `input '${shown(name)}': ${got} elements for shape [${shape.join(',')}], expected ${expected}`;
}

function decodeStrings(input: TensorHead, buffer: Buffer, elements: number): string[] {
  const values: string[] = [];
  const end = eachString(input.name, buffer, (from, to) => values.push(buffer.toString('utf8', from, to)) <= elements);
  if (values.length !== elements)
    refuse(
      `unexpected number of string elements ${values.length}${end < buffer.length ? ' or more' : ''} for inference input '${shown(input.name)}', expecting ${elements}`,
    );
  return values;
}

/**
 * Visits BYTES elements, each after its length, uint32 little-endian.
 * @param visit gets where an element's bytes begin and end; false = no more
 * @returns where it stopped; the length of the buffer = behind the last
 * @throws MillraceError invalid-argument where a length or an element is cut short
 */
export function eachString(name: string, buffer: Buffer, visit: (from: number, to: number) => boolean): number {
  let at = 0;
  while (at < buffer.length) {
    const left = buffer.length - at - 4;
    if (left < 0)
      refuse(
        `incomplete string length indicator for inference input '${shown(name)}', expecting 4 bytes but only ${buffer.length - at} bytes available`,
      );
    const length = buffer.readUInt32LE(at);
    if (length > left)
      refuse(
        `incomplete string data for inference input '${shown(name)}', expecting string of length ${length} but only ${left} bytes available`,
      );
    at += 4 + length;
    if (!visit(at - length, at)) break;
  }
  return at;
}

/** The same bytes, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
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
  let size = 0;
  for (const value of values) size += 4 + Buffer.byteLength(value);
  const buffer = Buffer.allocUnsafe(size);
  let at = 0;
  for (const value of values) {
    const length = buffer.write(value, at + 4);
    at = buffer.writeUInt32LE(length, at) + length;
  }
  return buffer;
}
