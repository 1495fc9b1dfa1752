import { doubles, floats, longs, readFields } from './wire-fields.js';

/** A constant. `values` are undefined where its kind is not read, or where they lie in another file. */
export interface OnnxTensor {
  readonly name: string;
  /** TensorProto.DataType. */
  readonly dataType: number;
  readonly dims: readonly number[];
  readonly values: Float32Array | Float64Array | undefined;
}

const kinds = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, double: 11 };

/** Numbers of the kinds that tree ensembles and scalar constants have: float, double, (u)int8, int32, int64. @throws Error where the bytes are no protobuf */
export function readTensor(bytes: Uint8Array): OnnxTensor {
  let [name, dataType]: [string, number] = ['', 0];
  let [raw, isElsewhere]: [Uint8Array | undefined, boolean] = [undefined, false];
  const [dims, floatData, intData, longData, doubleData]: number[][] = [[], [], [], [], []];
  readFields(bytes, {
    1: (reader, wireType) => longs(reader, wireType, dims!),
    2: (reader) => (dataType = reader.int32()),
    4: (reader, wireType) => floats(reader, wireType, floatData!),
    5: (reader, wireType) => longs(reader, wireType, intData!),
    7: (reader, wireType) => longs(reader, wireType, longData!),
    8: (reader) => (name = reader.string()),
    9: (reader) => (raw = reader.bytes()),
    10: (reader, wireType) => doubles(reader, wireType, doubleData!),
    14: (reader) => (isElsewhere = reader.int32() !== 0),
  });
  if (isElsewhere) return { name, dataType, dims: dims!, values: undefined };
  const typed = { [kinds.float]: floatData, [kinds.double]: doubleData, [kinds.int64]: longData }[dataType] ?? intData!;
  return {
    name,
    dataType,
    dims: dims!,
    values: raw === undefined ? numbers(dataType, typed) : rawNumbers(dataType, raw),
  };
}

function numbers(dataType: number, typed: readonly number[]): OnnxTensor['values'] {
  if (!Object.values(kinds).includes(dataType)) return undefined;
  return dataType === kinds.float ? Float32Array.from(typed) : Float64Array.from(typed);
}

/** Little-endian, as the platform is. */
function rawNumbers(dataType: number, raw: Uint8Array): OnnxTensor['values'] {
  const { buffer } = Uint8Array.from(raw); // aligned
  const count = (bytes: number) => Math.floor(raw.byteLength / bytes);
  switch (dataType) {
    case kinds.float:
      return new Float32Array(buffer, 0, count(4));
    case kinds.double:
      return new Float64Array(buffer, 0, count(8));
    case kinds.uint8:
      return Float64Array.from(raw);
    case kinds.int8:
      return Float64Array.from(new Int8Array(buffer));
    case kinds.int32:
      return Float64Array.from(new Int32Array(buffer, 0, count(4)));
    case kinds.int64:
      return Float64Array.from(new BigInt64Array(buffer, 0, count(8)), Number);
    default:
      return undefined;
  }
}
