import type { EntityLog } from './entity-log.js';

export interface PackedRecord {
  /** Epoch ms. */
  readonly ts: number;
  readonly partition: number;
  readonly offset: number;
  /** Exact integers of 1/scale, NaN = null. */
  readonly measures: readonly number[];
}

/**
 * Layout of a record, little-endian: ts float64 | offset float64 | partition uint16 | measures float64 x k. Fixed width for a view, so that logs are appended to and
 * read from any record on. float64 holds every integer that occurs (times, offsets, measures within 2^53) exactly.
 */
export function recordBytes(measureCount: number): number {
  return 18 + 8 * measureCount;
}

/** Writes one record at `at`; the buffer must have recordBytes() from there. */
export function encodeRecord(into: Buffer, at: number, record: PackedRecord): void {
  into.writeDoubleLE(record.ts, at);
  into.writeDoubleLE(record.offset, at + 8);
  into.writeUInt16LE(record.partition, at + 16);
  for (let m = 0; m < record.measures.length; m += 1) into.writeDoubleLE(record.measures[m]!, at + 18 + 8 * m);
}

/** Inserts every record of `bytes` into the log; empty bytes do nothing. @throws RangeError when the bytes do not hold whole records */
export function decodeRecords(bytes: Buffer, measureCount: number, into: EntityLog): void {
  const width = recordBytes(measureCount);
  if (bytes.length % width !== 0) throw new RangeError(`${bytes.length} bytes are not whole records of ${width} bytes`);
  const measures = new Float64Array(measureCount);
  for (let at = 0; at < bytes.length; at += width) {
    for (let m = 0; m < measureCount; m += 1) measures[m] = bytes.readDoubleLE(at + 18 + 8 * m);
    into.insert(bytes.readDoubleLE(at), bytes.readUInt16LE(at + 16), bytes.readDoubleLE(at + 8), measures);
  }
}
