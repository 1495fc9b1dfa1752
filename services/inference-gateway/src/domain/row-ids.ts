import type { RowIds } from './ports.js';

const lengthBytes = 4;

/** The ids of so many rows, in order. */
export function rowIdTexts({ block, first }: RowIds, rows: number): string[] {
  return Array.from({ length: rows }, (_, i) => `${block}-${first + i}`);
}

/** The same as BYTES [rows]: each after its length, uint32 little-endian. */
export function rowIdBytes({ block, first }: RowIds, rows: number): Buffer {
  const prefix = Buffer.from(`${block}-`, 'latin1');
  const longest = lengthBytes + prefix.length + String(first + rows).length;
  const bytes = Buffer.allocUnsafe(rows * longest);
  let at = 0;
  for (let number = first; number < first + rows; number++) {
    const from = at + lengthBytes;
    bytes.set(prefix, from);
    const length = prefix.length + writeDecimal(bytes, number, from + prefix.length);
    bytes.writeUInt32LE(length, at);
    at = from + length;
  }
  return bytes.subarray(0, at);
}

/** @param value a whole number from 0 @returns how many digits were written */
function writeDecimal(bytes: Buffer, value: number, at: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
  let rest = value;
  for (let i = digits - 1; i >= 0; i--) {
    bytes[at + i] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return digits;
}
