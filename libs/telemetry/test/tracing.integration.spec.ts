import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import {
  InferenceWorkerClient,
  InferenceWorkerService,
  type PrepareRequest,
  PrepareResponse,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import type { Chunk } from '#libs/messaging/message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { withTrace } from '#libs/rpc/rpc-spans.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { freePort } from '#libs/testing/service-process.js';
import { type CollectedSpan, OtlpCollector } from '#libs/testing/otlp-collector.js';
import { Logger } from '../logger.js';
import { Metrics } from '../metrics.js';
import { Readiness } from '../readiness.js';
import { startTracing } from '../start-tracing.js';
import { parseTraceContext, type TraceContext, traceHeaders } from '../trace-context.js';
import type { Tracing } from '../tracing.js';

const token = 'a-token-of-sixteen-and-more';
let address: string;
const lines: Record<string, unknown>[] = [];
const logger = new Logger('test', 'warn', (line) => lines.push(JSON.parse(line)));
const collector = new OtlpCollector();
let tracing: Tracing;
beforeAll(async () => {
  const url = `${await collector.start()}/v1/traces`;
  const options = { serviceName: 'validator', url, headers: {}, sampler: 'parentbased_always_off', ratio: 1 } as const;
  tracing = startTracing(options, new Metrics('test'), logger);
});
afterAll(async () => {
  await tracing.stop();
  await collector.stop();
});

/** As a caller that traces would say it. */
const someTrace = (): TraceContext =>
  parseTraceContext(`00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`, 'rojo=1')!;

/** The spans of a trace, once there are so many. */
async function spansOf(traceId: string, count: number): Promise<CollectedSpan[]> {
  for (const untilMs = Date.now() + 30_000; collector.of(traceId).length < count;) {
    if (Date.now() > untilMs) throw new Error(`waited in vain: ${JSON.stringify(collector.of(traceId))}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return collector.of(traceId);
}

describe('over gRPC', () => {
  let server: GrpcServer;
  let peer: Peer<InferenceWorkerClient>;
  const seen: (TraceContext | undefined)[] = [];
  beforeAll(async () => {
    address = `127.0.0.1:${await freePort()}`;
    server = new GrpcServer(address, adminGuard('tester', token), new Readiness(), logger, 200, tracing);
    server.addService(InferenceWorkerService, {
      prepare: handle.unary(async ({ onnxSha256 }: PrepareRequest, { trace }: CallContext) => {
        seen.push(trace);
        if (onnxSha256 === 'missing') throw new MillraceError('not-found', 'no such model');
        if (onnxSha256 === 'bug') throw new TypeError('a bug');
        return PrepareResponse.create();
      }),
      infer: handle.duplex((stream) => void stream.on('error', () => stream.end())),
    });
    await new Promise<void>((resolve, reject) =>
      server.listen((error) => (error ? reject(error as Error) : resolve())),
    );
    peer = new Peer(InferenceWorkerClient, 'worker', address, token, tracing);
  });
  afterAll(async () => {
    peer.close();
    await server.close();
  });

  /** A client of anybody's, with a traceparent in its metadata. */
  const prepare = (onnxSha256: string, trace: TraceContext): Promise<unknown> =>
    new Promise((resolve, reject) =>
      peer.stub.prepare({ onnxSha256, features: 1 }, withTrace(peer.metadata, trace), (error, answer) =>
        error ? reject(error) : resolve(answer),
      ),
    );

  it('the span of a call has the trace of its caller, and its span as parent', async () => {
    const trace = someTrace();
    await prepare('m', trace);
    const [span] = await spansOf(trace.traceId, 1);
    expect(span).toMatchObject({
      service: 'validator',
      kind: 2,
      name: 'millrace.worker.v1.InferenceWorker/Prepare',
      parentSpanId: trace.spanId,
      statusCode: 0,
      attributes: {
        'rpc.system.name': 'grpc',
        'rpc.method': 'millrace.worker.v1.InferenceWorker/Prepare',
        'rpc.status_code': 'OK',
      },
    });
    expect(seen.at(-1)).toMatchObject({ traceId: trace.traceId, spanId: span!.spanId });
    expect(seen.at(-1)!.traceState?.serialize()).toBe('rojo=1');
  });

  it('a call that is part of a trace has a span on both sides', async () => {
    const trace = someTrace();
    await peer.call((stub) => stub.prepare, { onnxSha256: 'm', features: 1 }, 2_000, trace);
    const spans = await spansOf(trace.traceId, 2);
    const [client, served] = [3, 2].map((kind) => spans.find((span) => span.kind === kind)!);
    expect(client).toMatchObject({
      parentSpanId: trace.spanId,
      attributes: { 'server.port': Number(address.split(':')[1]) },
    });
    expect(served!.parentSpanId).toBe(client!.spanId);
  });

  it("an error says its status; the server's span has failed only by its own fault, and the log's line names the span", async () => {
    const [theirs, ours] = [someTrace(), someTrace()];
    await expect(prepare('missing', theirs)).rejects.toThrow(/no such model/);
    await expect(prepare('bug', ours)).rejects.toThrow(/internal/);
    const [missing] = await spansOf(theirs.traceId, 1);
    expect(missing).toMatchObject({ statusCode: 0, attributes: { 'rpc.status_code': 'NOT_FOUND' } });
    expect(missing!.attributes).not.toHaveProperty('error.type');
    const [bug] = await spansOf(ours.traceId, 1);
    expect(bug).toMatchObject({
      statusCode: 2,
      attributes: { 'rpc.status_code': 'INTERNAL', 'error.type': 'INTERNAL' },
    });
    expect(lines.find(({ event }) => event === 'rpc_failed')).toMatchObject({
      trace_id: ours.traceId,
      span_id: bug!.spanId,
    });
  });

  it('who may not call makes no span, and neither does a malformed traceparent', async () => {
    const trace = someTrace();
    const stranger = new Peer(InferenceWorkerClient, 'worker', address, 'the-token-of-a-stranger', tracing);
    const call = (metadata: typeof peer.metadata) =>
      new Promise((resolve, reject) =>
        stranger.stub.prepare({ onnxSha256: 'm', features: 1 }, metadata, (error, answer) =>
          error ? reject(error) : resolve(answer),
        ),
      );
    await expect(call(withTrace(stranger.metadata, trace))).rejects.toThrow(/not known/);
    const malformed = peer.metadata.clone();
    malformed.set('traceparent', `00-${trace.traceId}-xyz-01`);
    await call(malformed);
    const after = someTrace();
    await prepare('m', after); // in the batch behind them
    await spansOf(after.traceId, 1);
    expect(collector.of(trace.traceId)).toEqual([]);
    stranger.close();
  });
});

describe('over Kafka', () => {
  it("a chunk's span is linked to the spans that sent its records, in the trace of the first", async () => {
    const messages = new KafkaMessageLog(
      'validator',
      getTestInfrastructure().KAFKA_BROKERS.split(','),
      new Wiring(),
      logger,
      tracing,
    );
    const stream = `tracing-${randomUUID().slice(0, 8)}`;
    await messages.ensureTopics([{ id: 'rawEvents', stream }]);
    const [first, second] = [someTrace(), someTrace()];
    const record = (headers: Record<string, string>) => ({ key: null, value: Buffer.from('x'), headers, partition: 2 });
    const sent = [
      record({}),
      record(traceHeaders(first)),
      record({ ...traceHeaders(second), other: 'kept' }),
      record(traceHeaders(first)),
      record({ traceparent: 'junk' }),
    ];
    await messages.publisher('rawEvents').publish(sent, stream);
    const chunks: Chunk[] = [];
    let attempts = 0;
    await messages.consume({
      topic: 'rawEvents',
      stream,
      delivery: 'at-least-once',
      maxRecords: 10,
      handler: async (chunk) => {
        if ((attempts += 1) === 1) throw new Error('not yet');
        chunks.push(chunk);
        return '';
      },
    });
    const topic = `events.${stream}.raw.v1`;
    const ofFirst = await spansOf(first.traceId, 2);
    const [send, process] = [4, 5].map((kind) => ofFirst.find((span) => span.kind === kind)!) as [
      CollectedSpan,
      CollectedSpan,
    ];
    const [otherSend] = await spansOf(second.traceId, 1);
    for (const [span, from, count] of [
      [send, first, 2],
      [otherSend!, second, 1],
    ] as const)
      expect(span).toMatchObject({
        name: `send ${topic}`,
        kind: 4,
        parentSpanId: from.spanId,
        attributes: {
          'messaging.system': 'kafka',
          'messaging.operation.name': 'send',
          'messaging.operation.type': 'send',
          'messaging.destination.name': topic,
          'messaging.batch.message_count': count,
        },
      });
    expect(process).toMatchObject({
      name: `process ${topic}`,
      parentSpanId: send.spanId,
      statusCode: 0,
      attributes: {
        'messaging.system': 'kafka',
        'messaging.operation.type': 'process',
        'messaging.destination.name': topic,
        'messaging.destination.partition.id': '2',
        'messaging.consumer.group.name': `validator.${stream}`,
        'messaging.kafka.offset': 0,
        'messaging.batch.message_count': 5,
      },
    });
    expect(process.links.map(({ traceId, spanId }) => [traceId, spanId])).toEqual([
      [first.traceId, send.spanId],
      [second.traceId, otherSend!.spanId],
    ]);
    expect(chunks[0]!.trace).toMatchObject({ traceId: first.traceId, spanId: process.spanId });
    const carried = chunks[0]!.records.map(({ headers }) => headers['traceparent']);
    const [ofSend, ofOther] = [send, otherSend!].map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`);
    expect(carried).toEqual([undefined, ofSend, ofOther, ofSend, 'junk']);
    expect(chunks[0]!.records[2]!.headers['other']).toBe('kept');
    expect(lines.find(({ event }) => event === 'chunk_failed')).toMatchObject({
      trace_id: first.traceId,
      span_id: process.spanId,
    });
    await messages.close();
  }, 90_000);
});
