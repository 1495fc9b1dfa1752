import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** What is wrong with the bytes of a model, in words for its owner. */
export class ModelRefused extends Error {}

/** Reads the value and returns true, or leaves the reader where it is and returns false: then the value is passed over. */
export type TakeField = (fieldNo: number, wireType: WireType, reader: BinaryReader) => boolean;

/**
 * Visits the fields of one protobuf message without copying it; nested messages are bytes until somebody visits them, so that depth costs only who goes there.
 * @throws ModelRefused where it is cut short, or has groups, which ONNX does not
 */
export function eachField(message: Uint8Array, take: TakeField): void {
  const reader = new BinaryReader(message);
  try {
    while (reader.pos < reader.len) {
      const [fieldNo, wireType] = reader.tag();
      if (!take(fieldNo, wireType, reader)) pass(reader, wireType);
      if (reader.pos > reader.len) throw new RangeError('premature EOF');
    }
  } catch (error) {
    if (error instanceof ModelRefused) throw error;
    throw new ModelRefused(`it is no ONNX protobuf, or cut short (${error instanceof Error ? error.message : ''})`);
  }
}

/** The library's own way to pass over a value makes a view of it; a tree ensemble has millions of numbers. */
function pass(reader: BinaryReader, wireType: WireType): void {
  if (wireType === WireType.Bit32) reader.pos += 4;
  else if (wireType === WireType.Bit64) reader.pos += 8;
  else if (wireType === WireType.StartGroup || wireType === WireType.EndGroup)
    throw new ModelRefused('it has protobuf groups, which ONNX does not');
  else reader.skip(wireType);
}

/** Numbers of a repeated field, packed or one by one; each is added to `into`. @returns false where the wire type is neither */
export function takeNumbers(wireType: WireType, reader: BinaryReader, into: bigint[]): boolean {
  if (wireType === WireType.Varint) {
    into.push(BigInt(reader.int64()));
    return true;
  }
  if (wireType !== WireType.LengthDelimited) return false;
  const packed = new BinaryReader(reader.bytes());
  while (packed.pos < packed.len) into.push(BigInt(packed.int64()));
  return true;
}
