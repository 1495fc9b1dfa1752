import type { InferTensorContents } from '#libs/contracts/generated/inference/v2/inference.js';

/** How the elements of a numeric datatype travel. */
export interface NumberFormat {
  readonly bytes: number;
  read(buffer: Buffer, at: number): number;
  /** Undefined = the protocol has no typed field for it: FP16 and BF16 come raw alone. */
  readonly typed: keyof InferTensorContents | undefined;
  /** Of integers; undefined = none is checked. */
  readonly range?: readonly [min: number, max: number];
}

const integer = (bits: number, signed: boolean): readonly [number, number] =>
  signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
const safe: readonly [number, number] = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];

/** Open Inference Protocol v2, tensor data types. 64 bit integers are numbers, taken up to 2^53. */
export const numberFormats: Readonly<Record<string, NumberFormat>> = {
  BOOL: { bytes: 1, read: (b, at) => (b[at] === 0 ? 0 : 1), typed: 'boolContents' },
  INT8: { bytes: 1, read: (b, at) => b.readInt8(at), typed: 'intContents', range: integer(8, true) },
  INT16: { bytes: 2, read: (b, at) => b.readInt16LE(at), typed: 'intContents', range: integer(16, true) },
  INT32: { bytes: 4, read: (b, at) => b.readInt32LE(at), typed: 'intContents', range: integer(32, true) },
  INT64: { bytes: 8, read: (b, at) => Number(b.readBigInt64LE(at)), typed: 'int64Contents', range: safe },
  UINT8: { bytes: 1, read: (b, at) => b[at]!, typed: 'uintContents', range: integer(8, false) },
  UINT16: { bytes: 2, read: (b, at) => b.readUInt16LE(at), typed: 'uintContents', range: integer(16, false) },
  UINT32: { bytes: 4, read: (b, at) => b.readUInt32LE(at), typed: 'uintContents', range: integer(32, false) },
  UINT64: { bytes: 8, read: (b, at) => Number(b.readBigUInt64LE(at)), typed: 'uint64Contents', range: [0, safe[1]] },
  FP16: { bytes: 2, read: (b, at) => halfFloat(b.readUInt16LE(at)), typed: undefined },
  BF16: { bytes: 2, read: (b, at) => brainFloat(b.readUInt16LE(at)), typed: undefined },
  FP32: { bytes: 4, read: (b, at) => b.readFloatLE(at), typed: 'fp32Contents' },
  FP64: { bytes: 8, read: (b, at) => b.readDoubleLE(at), typed: 'fp64Contents' },
};

/** Every datatype of the protocol. */
export const datatypes: readonly string[] = [...Object.keys(numberFormats), 'BYTES'];

/** IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits. */
export function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1_024) * 2 ** (exponent - 15);
}

const word = new DataView(new ArrayBuffer(4));

/** bfloat16: the upper half of a binary32. */
export function brainFloat(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}
