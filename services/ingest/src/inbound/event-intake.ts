import type { EncodedRecord } from '#libs/contracts/event-record.js';
import type { Event, PublishResponse, Rejection } from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { maxBatchEvents, toRawRecord } from '../domain/raw-event.js';
import type { StreamPublisher } from '../domain/stream-publisher.js';
import type { StreamTable } from '../domain/stream-table.js';
import type { IngestMetrics } from '../ingest.metrics.js';

/** Where events enter, whatever protocol brought them. */
export class EventIntake {
  constructor(
    private readonly table: StreamTable,
    private readonly publisher: StreamPublisher,
    private readonly metrics: IngestMetrics,
  ) {}

  /** Answers when all in-sync replicas have every accepted event; the others are named with their place. @throws MillraceError of the whole batch */
  async accept(stream: string, events: readonly Event[]): Promise<PublishResponse> {
    const spec = this.table.stream(stream);
    if (events.length > maxBatchEvents)
      throw new MillraceError(
        'invalid-argument',
        `events: ${events.length}, at most ${maxBatchEvents} are taken at once`,
      );
    const records: EncodedRecord[] = [];
    const rejected: Rejection[] = [];
    for (const [index, event] of events.entries()) {
      try {
        records.push(toRawRecord(spec, event));
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        rejected.push({ index, code: error.code, message: error.message });
        this.metrics.events.inc({ stream, outcome: error.code });
      }
    }
    if (records.length > 0) await this.publisher.publish(stream, records);
    this.metrics.events.inc({ stream, outcome: 'accepted' }, records.length);
    return { accepted: records.length, rejected };
  }
}
