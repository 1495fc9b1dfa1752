import {
  decodeWatermark,
  type EncodedRecord,
  encodeValidEvent,
  encodeWatermark,
  headerNames,
  isWatermark,
} from '#libs/contracts/event-record.js';
import type { LogRecord } from '#libs/messaging/message-log.js';
import { traceHeaders, traceOf } from '#libs/telemetry/trace-context.js';
import { AcceptedIds } from './accepted-ids.js';
import type { Reason } from './column-check.js';
import type { EventCheck } from './event-check.js';

/** So many accepted ids of a partition are remembered: an id that comes again within them counts once. */
export const rememberedIds = 100_000;

export interface StreamCheck {
  readonly check: EventCheck;
  readonly latenessMs: number;
}

export interface Quarantined {
  readonly record: LogRecord;
  readonly reasons: readonly Reason[];
}

export interface Outcome {
  readonly valid: EncodedRecord[];
  readonly quarantined: Quarantined[];
  readonly counts: { valid: number; late: number; duplicate: number };
}

/** What of a partition is durable with its position. */
interface Carried {
  /** Raw records up to this offset have been decided and published. */
  readonly processed: number;
  readonly watermarkMs: number;
}

/**
 * Decides about the records of one raw partition, as a function of the raw log alone: whoever reads it again, from however far back, decides the same. Records up to what
 * is carried as processed only fill the memory of ids, and are not published again.
 */
export class PartitionValidator {
  private readonly ids = new AcceptedIds(rememberedIds);
  private processed: number;
  private watermarkMs: number;
  private lastOffset = -1;

  constructor(carried: string) {
    const { processed, watermarkMs } = decodeCarried(carried);
    this.processed = processed;
    this.watermarkMs = watermarkMs;
  }

  /** Whether these records go on from the last ones; else the partition was taken up anew. */
  continues(records: readonly LogRecord[]): boolean {
    return this.lastOffset >= 0 && records[0]!.offset > this.lastOffset;
  }

  /** Call `published` once the outcome is out; before that nothing counts as done. */
  decide({ check, latenessMs }: StreamCheck, records: readonly LogRecord[]): Outcome {
    const outcome: Outcome = { valid: [], quarantined: [], counts: { valid: 0, late: 0, duplicate: 0 } };
    for (const record of records) {
      const isNew = record.offset > this.processed;
      if (isWatermark(record)) {
        if (isNew) outcome.valid.push(this.watermark(record));
        continue;
      }
      const id = identity(record);
      if (id !== undefined && this.ids.has(id)) {
        if (isNew) outcome.counts.duplicate += 1;
        continue;
      }
      const checked = check(record.value);
      if ('reasons' in checked) {
        if (isNew) outcome.quarantined.push({ record, reasons: checked.reasons });
        continue;
      }
      if (id !== undefined) this.ids.add(id);
      if (!isNew) continue;
      const late = checked.eventTimeMs < this.watermarkMs - latenessMs;
      if (late) outcome.counts.late += 1;
      outcome.counts.valid += 1;
      const event = {
        id: record.headers[headerNames.id] ?? '',
        eventTimeMs: checked.eventTimeMs,
        sourcePartition: record.partition,
        sourceOffset: record.offset,
        late,
        row: checked.row,
      };
      outcome.valid.push(inItsTrace(encodeValidEvent(event, record.key), record));
    }
    return outcome;
  }

  published(records: readonly LogRecord[]): void {
    this.lastOffset = records.at(-1)!.offset;
    this.processed = Math.max(this.processed, this.lastOffset);
  }

  carried(): string {
    return `${this.processed},${this.watermarkMs}`;
  }

  /** Never goes back. */
  private watermark(record: LogRecord): EncodedRecord {
    const { watermarkMs } = decodeWatermark(record);
    if (Number.isSafeInteger(watermarkMs)) this.watermarkMs = Math.max(this.watermarkMs, watermarkMs);
    return encodeWatermark(this.watermarkMs, record.partition, record.offset);
  }
}

/** Raw or valid, an event stays in the trace that it came in with. */
export function inItsTrace(encoded: EncodedRecord, { headers }: LogRecord): EncodedRecord {
  const trace = traceOf(headers);
  return trace === undefined ? encoded : { ...encoded, headers: { ...encoded.headers, ...traceHeaders(trace) } };
}

function decodeCarried(carried: string): Carried {
  const [processed = -1, watermarkMs = -1] = carried === '' ? [] : carried.split(',').map(Number);
  return { processed, watermarkMs };
}

/** Of a CloudEvent: source and id; undefined = the record has none and is never a duplicate. */
function identity({ headers }: LogRecord): string | undefined {
  const id = headers[headerNames.id];
  return id === undefined || id === '' ? undefined : `${headers[headerNames.source] ?? ''} ${id}`;
}
