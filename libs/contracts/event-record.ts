/**
 * How an event travels in Kafka. Raw and valid records follow the CloudEvents Kafka binding in binary mode: attributes are `ce_*` headers, the value is the data,
 * one UTF-8 JSON object. A watermark travels in the same partitions, in order, as a record of its own.
 *
 * Valid records carry two things more: the instant of the event and the coordinates of the raw record it came from. The coordinates are the event's identity
 * downstream: a record delivered twice has the same ones.
 */
export const headerNames = {
  id: 'ce_id',
  source: 'ce_source',
  type: 'ce_type',
  specVersion: 'ce_specversion',
  time: 'ce_time',
  contentType: 'content-type',
  /** 'watermark' marks a watermark record; absent on events. */
  kind: 'millrace_kind',
  /** Event time, epoch milliseconds, decimal. */
  eventTime: 'millrace_event_time',
  /** Raw offset, decimal; the raw partition is the record's own partition. */
  sourceOffset: 'millrace_source_offset',
  /** '1' where the event was later than the watermark by more than the stream's lateness. */
  late: 'millrace_late',
} as const;

/** A valid event as its consumers see it. */
export interface ValidEvent {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly eventTimeMs: number;
  readonly sourcePartition: number;
  readonly sourceOffset: number;
  readonly late: boolean;
  /** Columns of the stream, derived ones included; timestamps as epoch milliseconds. */
  readonly row: Record<string, unknown>;
}

/** "Every event before this instant has been published" (exclusive, epoch ms), at a position of one partition. */
export interface Watermark {
  readonly watermarkMs: number;
  readonly sourcePartition: number;
  readonly sourceOffset: number;
}

export interface EncodedRecord {
  readonly key: Buffer | null;
  readonly value: Buffer;
  readonly headers: Record<string, string>;
  readonly partition?: number;
}

interface ReceivedRecord {
  readonly partition: number;
  readonly value: Buffer | null;
  readonly headers: Record<string, string>;
}

export function encodeValidEvent(event: ValidEvent, key: Buffer | null): EncodedRecord {
  const headers: Record<string, string> = {
    [headerNames.id]: event.id,
    [headerNames.eventTime]: String(event.eventTimeMs),
    [headerNames.sourceOffset]: String(event.sourceOffset),
  };
  if (event.late) headers[headerNames.late] = '1';
  return { key, value: Buffer.from(JSON.stringify(event.row)), headers, partition: event.sourcePartition };
}

/** Raw and valid topics spell a watermark alike; `sourceOffset` is set once it has passed the validator. */
export function encodeWatermark(watermarkMs: number, partition: number, sourceOffset?: number): EncodedRecord {
  const headers: Record<string, string> = { [headerNames.kind]: 'watermark' };
  if (sourceOffset !== undefined) headers[headerNames.sourceOffset] = String(sourceOffset);
  return { key: null, value: Buffer.from(String(watermarkMs)), headers, partition };
}

export function isWatermark(record: ReceivedRecord): boolean {
  return record.headers[headerNames.kind] === 'watermark';
}

export function decodeWatermark(record: ReceivedRecord): Watermark {
  return {
    watermarkMs: Number(record.value?.toString()),
    sourcePartition: record.partition,
    sourceOffset: Number(record.headers[headerNames.sourceOffset] ?? -1),
  };
}

/** Throws SyntaxError on a value that is not JSON: valid topics hold only what the validator wrote. */
export function decodeValidEvent(record: ReceivedRecord): ValidEvent {
  return {
    id: record.headers[headerNames.id] ?? '',
    eventTimeMs: Number(record.headers[headerNames.eventTime]),
    sourcePartition: record.partition,
    sourceOffset: Number(record.headers[headerNames.sourceOffset]),
    late: record.headers[headerNames.late] === '1',
    row: JSON.parse((record.value ?? Buffer.alloc(0)).toString()) as Record<string, unknown>,
  };
}
