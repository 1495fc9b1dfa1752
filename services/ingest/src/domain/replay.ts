import type { EncodedRecord } from '#libs/contracts/event-record.js';
import type { ReplayProgress } from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import { mergeByTime, type TimedEvent } from './merge-by-time.js';
import { rawRecord } from './raw-event.js';

const batchEvents = 2_000;
const reportEveryMs = 200;
const paceMs = 20;

export interface ReplayQuestion {
  readonly sources: readonly AsyncIterable<TimedEvent>[];
  /** Event seconds per second; 0 = as fast as it can be taken. */
  readonly speedup: number;
}

/** Publishes events in order of event time, each batch acknowledged before the next; yields progress now and then, and the total last. */
export async function* replay(
  question: ReplayQuestion,
  publish: (stream: string, records: readonly EncodedRecord[]) => Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<ReplayProgress> {
  let [published, eventTimeMs, reportedMs] = [0, 0, Date.now()];
  for await (const batch of batches(mergeByTime(question.sources), question.speedup, signal)) {
    const byStream = new Map<string, EncodedRecord[]>();
    for (const event of batch) {
      const records = byStream.get(event.stream) ?? [];
      byStream.set(event.stream, records);
      records.push(toRecord(event));
    }
    await Promise.all([...byStream].map(([stream, records]) => publish(stream, records)));
    published += batch.length;
    eventTimeMs = batch.at(-1)!.eventTimeMs;
    if (Date.now() - reportedMs < reportEveryMs) continue;
    reportedMs = Date.now();
    yield { published, eventTimeMs, finished: false };
  }
  yield { published, eventTimeMs, finished: true };
}

/** Full batches, or with a speed-up whatever is due. */
async function* batches(
  events: AsyncIterable<TimedEvent>,
  speedup: number,
  signal: AbortSignal,
): AsyncGenerator<TimedEvent[]> {
  let batch: TimedEvent[] = [];
  let firstMs: number | undefined;
  const startedMs = Date.now();
  for await (const event of events) {
    signal.throwIfAborted();
    firstMs ??= event.eventTimeMs;
    const dueInMs = speedup > 0 ? startedMs + (event.eventTimeMs - firstMs) / speedup - Date.now() : 0;
    if (batch.length >= batchEvents || (dueInMs > paceMs && batch.length > 0)) {
      yield batch;
      batch = [];
    }
    if (dueInMs > paceMs) await new Promise((resolve) => setTimeout(resolve, dueInMs));
    batch.push(event);
  }
  if (batch.length > 0) yield batch;
}

/** A row of a file has the same id whenever it is replayed: it counts once. */
function toRecord(event: TimedEvent): EncodedRecord {
  const id = `${event.source}#${event.row}`;
  const attributes = {
    id,
    source: `millrace:source:${event.source}`,
    type: event.stream,
    timeMs: event.eventTimeMs,
    data: event.data,
  };
  return rawRecord(attributes, event.key ?? id);
}
