import { type InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node';
import { maxRank } from '#libs/tensors/raw-tensor.js';
import { encodeStrings } from '#libs/tensors/tensor-codec.js';
import { type Fault, fault } from '../domain/outcome.js';
import type { NamedTensor, TensorSpec } from '../domain/named-tensor.js';

interface Carried {
  readonly onnx: OnnxTensor.Type;
  readonly bytes: number;
  readonly view: (buffer: ArrayBuffer) => OnnxTensor.DataType;
}

/** What onnxruntime-node carries of the Open Inference Protocol's datatypes; BYTES are its strings. BF16 it does not carry. */
const carried: Readonly<Record<string, Carried>> = {
  BOOL: { onnx: 'bool', bytes: 1, view: (buffer) => new Uint8Array(buffer) },
  UINT8: { onnx: 'uint8', bytes: 1, view: (buffer) => new Uint8Array(buffer) },
  UINT16: { onnx: 'uint16', bytes: 2, view: (buffer) => new Uint16Array(buffer) },
  UINT32: { onnx: 'uint32', bytes: 4, view: (buffer) => new Uint32Array(buffer) },
  UINT64: { onnx: 'uint64', bytes: 8, view: (buffer) => new BigUint64Array(buffer) },
  INT8: { onnx: 'int8', bytes: 1, view: (buffer) => new Int8Array(buffer) },
  INT16: { onnx: 'int16', bytes: 2, view: (buffer) => new Int16Array(buffer) },
  INT32: { onnx: 'int32', bytes: 4, view: (buffer) => new Int32Array(buffer) },
  INT64: { onnx: 'int64', bytes: 8, view: (buffer) => new BigInt64Array(buffer) },
  FP16: { onnx: 'float16', bytes: 2, view: (buffer) => new Uint16Array(buffer) },
  FP32: { onnx: 'float32', bytes: 4, view: (buffer) => new Float32Array(buffer) },
  FP64: { onnx: 'float64', bytes: 8, view: (buffer) => new Float64Array(buffer) },
};
const datatypeOf: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(carried).map(([datatype, { onnx }]) => [onnx, datatype])),
  string: 'BYTES',
};

/** What a session takes or gives, in the protocol's words; dimensions that are not written in the model are -1. A value that is no tensor, or of a type that is not carried, has an empty datatype. */
export function specsOf(values: readonly InferenceSession.ValueMetadata[]): TensorSpec[] {
  return values.map((value) => ({
    name: value.name,
    datatype: value.isTensor ? (datatypeOf[value.type] ?? '') : '',
    shape: value.isTensor ? value.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1)) : [],
  }));
}

/**
 * Checks a request's tensors against what the model takes, and hands them to onnxruntime without looking at their values.
 * @param tensors data row-major little-endian; BYTES: each element after its length, uint32, UTF-8
 * @returns a fault that names the tensor where one is missing, not the model's, twice there, or of another datatype, rank, dimension or length
 */
export function toFeeds(
  specs: readonly TensorSpec[],
  tensors: readonly NamedTensor[],
): Record<string, OnnxTensor> | Fault {
  const feeds = Object.create(null) as Record<string, OnnxTensor>;
  for (const tensor of tensors) {
    const spec = specs.find(({ name }) => name === tensor.name);
    if (spec === undefined) return bad(tensor.name, `the model has no such input; it takes ${namesOf(specs)}`);
    if (feeds[tensor.name] !== undefined) return bad(tensor.name, 'is there twice');
    const fed = toOnnx(spec, tensor);
    if ('ok' in fed) return fed;
    feeds[tensor.name] = fed;
  }
  const missing = specs.find(({ name }) => feeds[name] === undefined);
  return missing === undefined ? feeds : bad(missing.name, 'is missing');
}

function toOnnx(spec: TensorSpec, { name, datatype, shape, data }: NamedTensor): OnnxTensor | Fault {
  if (datatype !== spec.datatype) return bad(name, `is ${datatype}; the model reads ${spec.datatype}`);
  const fits =
    shape.length <= maxRank &&
    shape.length === spec.shape.length &&
    shape.every(
      (size, i) => Number.isSafeInteger(size) && size >= 0 && (spec.shape[i] === -1 || spec.shape[i] === size),
    );
  if (!fits)
    return bad(name, `has shape [${shape.slice(0, maxRank).join(',')}]; the model reads [${spec.shape.join(',')}]`);
  const elements = shape.reduce((product, size) => product * size, 1);
  if (datatype === 'BYTES') {
    const texts = readStrings(data, elements);
    return texts === undefined
      ? bad(name, `${data.byteLength} bytes are not ${elements} elements, each after its length`)
      : new OnnxTensor('string', texts, shape);
  }
  const { onnx, bytes, view } = carried[datatype]!;
  if (data.byteLength !== elements * bytes)
    return bad(name, `${data.byteLength} bytes; ${elements} elements of ${datatype} are ${elements * bytes}`);
  // A copy of its own: what came by the stream lies at any offset, and a typed array wants its own alignment.
  const aligned = new Uint8Array(data).buffer;
  return new OnnxTensor(onnx, view(aligned) as never, shape);
}

/** Undefined = it is cut short, or longer than its elements. */
function readStrings(data: Uint8Array, elements: number): string[] | undefined {
  if (elements * 4 > data.byteLength) return undefined;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const texts: string[] = [];
  let at = 0;
  while (texts.length < elements) {
    if (at + 4 > bytes.length) return undefined;
    const end = at + 4 + bytes.readUInt32LE(at);
    if (end > bytes.length) return undefined;
    texts.push(bytes.toString('utf8', at + 4, end));
    at = end;
  }
  return at === bytes.length ? texts : undefined;
}

/** @throws Error where an output is no tensor of a type that is carried, or all outputs together have more bytes than the bound */
export function fromResult(
  result: Record<string, OnnxTensor>,
  names: readonly string[],
  maxBytes: number,
): NamedTensor[] {
  let room = maxBytes;
  return names.map((name) => {
    const tensor = result[name];
    const datatype = tensor === undefined ? undefined : datatypeOf[tensor.type];
    if (tensor === undefined || datatype === undefined)
      throw new Error(`output ${name} is ${tensor?.type ?? 'no tensor'}, which cannot be answered; ask for the others`);
    const data =
      datatype === 'BYTES'
        ? encodeStrings(tensor.data as unknown as string[])
        : bytesOf(tensor.data as ArrayBufferView);
    room -= data.byteLength;
    if (room < 0)
      throw new Error(`the outputs have more than ${maxBytes} bytes, which is the bound (MAX_OUTPUT_BYTES)`);
    return { name, datatype, shape: [...tensor.dims], data };
  });
}

function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

/** Zeros and empty texts of one element in every dimension that the model leaves open. */
export function zerosFor(specs: readonly TensorSpec[]): NamedTensor[] {
  return specs.map(({ name, datatype, shape }) => {
    const known = shape.map((size) => (size === -1 ? 1 : size));
    const elements = known.reduce((product, size) => product * size, 1);
    const bytes = datatype === 'BYTES' ? 4 : (carried[datatype]?.bytes ?? 0);
    return { name, datatype, shape: known, data: Buffer.alloc(elements * bytes) };
  });
}

function namesOf(specs: readonly TensorSpec[]): string {
  return specs.map(({ name }) => name).join(', ');
}

function bad(name: string, words: string): Fault {
  return fault('bad-shape', `input ${name.slice(0, 64)}: ${words}`);
}
