import { type Span, SpanKind } from '@opentelemetry/api';
import type { EncodedRecord } from '#libs/contracts/event-record.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { isSampled, type TraceContext, traceHeaders, traceOf } from '#libs/telemetry/trace-context.js';
import { fail, maxLinks, type Tracing, tracedOnes } from '#libs/telemetry/tracing.js';
import type { LogRecord } from './message-log.js';

/** A send, as the traces of its records see it: one PRODUCER span for each context that its records carry, at most 32. */
export interface SendSpans {
  /** In order; those of a traced context carry their span instead. */
  readonly records: readonly EncodedRecord[];
  end(error?: unknown): void;
}

/** `messaging.system` has become `messaging.system.name`; back ends read either. */
const kafka = { 'messaging.system': 'kafka', 'messaging.system.name': 'kafka' };

/** Undefined = none of the records is traced: a send begins no trace. */
export function startSendSpans(
  tracing: Tracing,
  topic: string,
  records: readonly EncodedRecord[],
): SendSpans | undefined {
  if (!tracing.enabled) return undefined;
  const byParent = new Map<string, { parent: TraceContext; places: number[] }>();
  for (const [i, { headers }] of records.entries()) {
    const parent = traceOf(headers);
    if (!isSampled(parent)) continue;
    const key = parent.traceId + parent.spanId;
    const group = byParent.get(key);
    if (group !== undefined) group.places.push(i);
    else if (byParent.size < maxLinks) byParent.set(key, { parent, places: [i] });
  }
  if (byParent.size === 0) return undefined;
  const sent = [...records];
  const spans: Span[] = [];
  for (const { parent, places } of byParent.values()) {
    const span = startSend(tracing, topic, parent, places.length);
    spans.push(span);
    const headers = traceHeaders(span.spanContext());
    for (const i of places) sent[i] = { ...sent[i]!, headers: { ...sent[i]!.headers, ...headers } };
  }
  return { records: sent, end: (error) => endAll(spans, error) };
}

/** One CONSUMER span a chunk: in the trace of its first traced record, linked to the senders of all of them, at most 32. Undefined = none is traced. */
export function startProcessSpan(
  tracing: Tracing,
  group: string,
  topic: string,
  records: readonly LogRecord[],
): Span | undefined {
  if (!tracing.enabled) return undefined;
  const senders = tracedOnes(contextsOf(records));
  const [parent] = senders;
  const first = records[0];
  if (parent === undefined || first === undefined) return undefined;
  return tracing.start(`process ${topic}`, {
    kind: SpanKind.CONSUMER,
    parent,
    links: senders,
    attributes: {
      ...kafka,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': topic,
      'messaging.destination.partition.id': String(first.partition),
      'messaging.consumer.group.name': group,
      'messaging.kafka.offset': first.offset,
      'messaging.batch.message_count': records.length,
    },
  });
}

/** @param error undefined = the chunk was handled */
export function endProcessSpan(span: Span | undefined, error?: string): void {
  if (span === undefined) return;
  if (error !== undefined) fail(span, 'not_handled', error);
  span.end();
}

function startSend(tracing: Tracing, topic: string, parent: TraceContext, count: number): Span {
  return tracing.start(`send ${topic}`, {
    kind: SpanKind.PRODUCER,
    parent,
    attributes: {
      ...kafka,
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': topic,
      'messaging.batch.message_count': count,
    },
  })!;
}

function endAll(spans: readonly Span[], error: unknown): void {
  for (const span of spans) {
    if (error !== undefined) fail(span, error instanceof Error ? error.name : '_OTHER', errorMessage(error));
    span.end();
  }
}

function* contextsOf(records: readonly LogRecord[]): Generator<TraceContext | undefined> {
  for (const { headers } of records) yield traceOf(headers);
}
