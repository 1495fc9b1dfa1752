import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

type ReadField = (reader: BinaryReader, wireType: WireType) => unknown;

/** Calls the reader of each field that is known, in the order of the message, and skips the others. @throws Error where the bytes are no protobuf */
export function readFields(bytes: Uint8Array, readers: Readonly<Record<number, ReadField>>): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const read = readers[field];
    if (read === undefined) reader.skip(wireType, field);
    else read(reader, wireType);
  }
}

/** The last value of a string field; '' = it has none. */
export function textOf(bytes: Uint8Array, field: number): string {
  let text = '';
  readFields(bytes, { [field]: (reader) => (text = reader.string()) });
  return text;
}

/** Appends the float32 values of a field, which come one by one or packed. */
export function floats(reader: BinaryReader, wireType: WireType, into: number[]): void {
  if (wireType !== WireType.LengthDelimited) return void into.push(reader.float());
  for (const end = reader.uint32() + reader.pos; reader.pos < end;) into.push(reader.float());
}

/** Appends the float64 values of a field, one by one or packed. */
export function doubles(reader: BinaryReader, wireType: WireType, into: number[]): void {
  if (wireType !== WireType.LengthDelimited) return void into.push(reader.double());
  for (const end = reader.uint32() + reader.pos; reader.pos < end;) into.push(reader.double());
}

/** Appends the integers of a field, one by one or packed. */
export function longs(reader: BinaryReader, wireType: WireType, into: number[]): void {
  if (wireType !== WireType.LengthDelimited) return void into.push(doubleOf(reader.int64()));
  for (const end = reader.uint32() + reader.pos; reader.pos < end;) into.push(doubleOf(reader.int64()));
}

/** What BinaryReader makes of 64 bits. Not exact beyond 2^53. */
export function doubleOf(value: bigint | string): number {
  return Number(value);
}
