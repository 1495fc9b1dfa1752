import type { EncodedRecord } from '#libs/contracts/event-record.js';
import type { Event, PublishResponse, Rejection } from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { maxBatchEvents, toRawRecord } from '../domain/raw-event.js';
import type { StreamPublisher } from '../domain/stream-publisher.js';
import type { StreamTable } from '../domain/stream-table.js';
import type { IngestMetrics } from '../ingest.metrics.js';

export const maxBatchBytes = 4 * 1024 * 1024;

/** Where events enter, whatever protocol brought them. */
export class EventIntake {
  constructor(
    private readonly table: StreamTable,
    private readonly publisher: StreamPublisher,
    private readonly metrics: IngestMetrics,
  ) {}

  /**
   * Answers when all in-sync replicas have every accepted event; the others are named with their place. No event: accepts none.
   * @param trace of the call; an event's own goes before it
   * @param events an error stands for what could not be read as an event
   * @throws MillraceError of the whole batch: not-found, invalid-argument, payload-too-large, resource-exhausted, unavailable
   */
  async accept(
    stream: string,
    events: readonly (Event | MillraceError)[],
    whenFull: 'refuse' | 'hold' = 'refuse',
    trace?: TraceContext,
  ): Promise<PublishResponse> {
    const spec = this.table.stream(stream);
    checkBatch(events);
    const records: EncodedRecord[] = [];
    const rejected: Rejection[] = [];
    for (const [index, event] of events.entries()) {
      try {
        if (event instanceof MillraceError) throw event;
        records.push(toRawRecord(spec, event, trace));
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        rejected.push({ index, code: error.code, message: error.message });
        this.metrics.events.inc({ stream, outcome: error.code });
      }
    }
    await this.publish(stream, records, whenFull);
    return { accepted: records.length, rejected };
  }

  /** Publishes and counts records of events. @throws MillraceError resource-exhausted (never with 'hold'), unavailable */
  async publish(stream: string, records: readonly EncodedRecord[], whenFull: 'refuse' | 'hold'): Promise<void> {
    if (records.length === 0) return;
    try {
      await this.publisher.publish(stream, records, whenFull);
      this.metrics.events.inc({ stream, outcome: 'accepted' }, records.length);
    } catch (error) {
      const outcome = error instanceof MillraceError ? error.code : 'internal';
      this.metrics.events.inc({ stream, outcome }, records.length);
      throw error;
    }
  }
}

function checkBatch(events: readonly (Event | MillraceError)[]): void {
  if (events.length > maxBatchEvents)
    throw new MillraceError(
      'invalid-argument',
      `events: ${events.length}, at most ${maxBatchEvents} are taken at once`,
    );
  const bytes = events.reduce((sum, event) => sum + (event instanceof MillraceError ? 0 : event.data.length), 0);
  if (bytes > maxBatchBytes)
    throw new MillraceError('payload-too-large', `events: ${bytes} bytes of data, at most ${maxBatchBytes} are taken`);
}
