import { setTimeout as sleep } from 'node:timers/promises';
import type { EncodedRecord } from '#libs/contracts/event-record.js';
import type { ReplayProgress } from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { mergeByTime } from './merge-by-time.js';
import { toRawRecordWithKey } from './raw-event.js';
import type { SourceEvent } from './source-rows.js';

const batchEvents = 2_000;
const batchBytes = 1_000_000;
/** Read ahead while batches are on their way; per stream the publisher keeps their order. */
const batchesInFlight = 4;
const reportEveryMs = 200;
/** What is due within this time goes out together. */
const paceMs = 20;
/** A longer wait than a timer can take is waited for in pieces. */
const maxSleepMs = 60_000;

export interface ReplayQuestion {
  readonly sources: readonly AsyncIterable<SourceEvent>[];
  /** Event seconds per second; 0 = as fast as it can be taken. */
  readonly speedup: number;
  /** Of the call, which all events belong to. */
  readonly trace?: TraceContext | undefined;
}

export type PublishRecords = (stream: string, records: readonly EncodedRecord[]) => Promise<void>;

/**
 * Publishes events in order of event time; yields now and then what has been acknowledged, and the total last. Ends early, without a total, when the caller has gone.
 * @throws MillraceError of the files or of publishing; what was published before stays, and counts once when the replay is asked for again
 */
export async function* replay(
  { sources, speedup, trace }: ReplayQuestion,
  publish: PublishRecords,
  signal: AbortSignal,
): AsyncGenerator<ReplayProgress> {
  const inFlight: { readonly batch: readonly SourceEvent[]; readonly done: Promise<void> }[] = [];
  let [published, eventTimeMs, reportedMs] = [0, 0, Date.now()];
  const acknowledged = async (): Promise<void> => {
    const { batch, done } = inFlight.shift()!;
    await done;
    published += batch.length;
    eventTimeMs = batch.at(-1)!.eventTimeMs;
  };
  for await (const batch of batches(mergeByTime(sources), speedup, signal)) {
    const done = publishBatch(batch, publish, trace);
    done.catch(() => undefined); // thrown when its turn comes
    inFlight.push({ batch, done });
    if (speedup > 0 || inFlight.length >= batchesInFlight) await acknowledged();
    if (Date.now() - reportedMs < reportEveryMs) continue;
    reportedMs = Date.now();
    yield { published, eventTimeMs, finished: false };
  }
  while (inFlight.length > 0) await acknowledged();
  if (!signal.aborted) yield { published, eventTimeMs, finished: true };
}

async function publishBatch(
  batch: readonly SourceEvent[],
  publish: PublishRecords,
  trace: TraceContext | undefined,
): Promise<void> {
  const byStream = new Map<string, EncodedRecord[]>();
  for (const event of batch) {
    const records = byStream.get(event.stream) ?? [];
    byStream.set(event.stream, records);
    records.push(toRecord(event, trace));
  }
  await Promise.all([...byStream].map(([stream, records]) => publish(stream, records)));
}

/** Full batches, or with a speed-up whatever is due. */
async function* batches(
  events: AsyncIterable<SourceEvent>,
  speedup: number,
  signal: AbortSignal,
): AsyncGenerator<SourceEvent[]> {
  let [batch, bytes]: [SourceEvent[], number] = [[], 0];
  let firstMs: number | undefined;
  const startedMs = Date.now();
  for await (const event of events) {
    firstMs ??= event.eventTimeMs;
    const dueMs = speedup > 0 ? startedMs + (event.eventTimeMs - firstMs) / speedup : 0;
    const isFull = batch.length >= batchEvents || bytes + event.data.length > batchBytes;
    if (batch.length > 0 && (isFull || dueMs - Date.now() > paceMs)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    await sleepUntil(dueMs, signal);
    if (signal.aborted) return;
    batch.push(event);
    bytes += event.data.length;
  }
  if (batch.length > 0) yield batch;
}

async function sleepUntil(dueMs: number, signal: AbortSignal): Promise<void> {
  for (let ms = dueMs - Date.now(); ms > paceMs && !signal.aborted; ms = dueMs - Date.now())
    await sleep(Math.min(ms, maxSleepMs), undefined, { signal }).catch(() => undefined); // aborted: the loop ends
}

/** A row of a file has the same id whenever it is replayed: it counts once. */
function toRecord(event: SourceEvent, trace: TraceContext | undefined): EncodedRecord {
  const attributes = {
    id: `${event.source}#${event.row}`,
    source: `millrace:source:${event.source}`,
    type: event.stream,
    timeMs: Math.max(0, event.eventTimeMs),
    data: event.data,
  };
  try {
    return toRawRecordWithKey(attributes, event.key, trace);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    throw new MillraceError('failed-precondition', `source ${event.source}, row ${event.row}: ${error.message}`, {
      cause: error,
    });
  }
}
