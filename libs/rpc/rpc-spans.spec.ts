import type { ServerDuplexStream } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  InferBatch,
  InferenceWorkerClient,
  InferenceWorkerService,
  InferResult,
  PrepareResponse,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { startTracing } from '#libs/telemetry/start-tracing.js';
import { parseTraceContext, type TraceContext } from '#libs/telemetry/trace-context.js';
import { maxLinks, type Tracing } from '#libs/telemetry/tracing.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { OtlpCollector } from '#libs/testing/otlp-collector.js';
import { Peer } from './grpc-client.js';
import { GrpcServer, handle } from './grpc-server.js';
import type { CallContext } from './served-context.js';
import { grpcTransports } from './grpc-transport.js';
import { readTraceparents, withTrace } from './rpc-spans.js';

const token = 'a-token-of-sixteen-and-more';
const address = '127.0.0.1:47213';
const quiet = new Logger('test', 'error', () => undefined);
describe.each(grpcTransports)('over %s', (transport) => {
  const collector = new OtlpCollector();
  const traceparent = (digit: string): string => `00-${digit.repeat(32)}-${'b'.repeat(16)}-01`;
  const seen: (TraceContext | undefined)[] = [];
  let tracing: Tracing;
  let server: GrpcServer;
  let peer: Peer<InferenceWorkerClient>;

  /** Of a batch with a timeout the span is that of a call of its own. */
  beforeAll(async () => {
    const options = { serviceName: 's', headers: {}, sampler: 'parentbased_always_on', ratio: 1 } as const;
    tracing = startTracing({ ...options, url: `${await collector.start()}/v1/traces` }, new Metrics('test'), quiet);
    server = new GrpcServer(address, adminGuard('tester', token), new Readiness(), quiet, 200, tracing, { transport });
    server.addService(InferenceWorkerService, {
      prepare: handle.unary(async (_: unknown, { trace }: CallContext) => {
        seen.push(trace);
        return PrepareResponse.create();
      }),
      infer: handle.duplex((stream: ServerDuplexStream<InferBatch, InferResult>, { messageSpan }: CallContext) => {
        stream.on('data', ({ batchId, traceparents, timeoutMs }: InferBatch) => {
          const span = timeoutMs > 0 ? messageSpan?.() : messageSpan?.(traceparents);
          seen.push(span?.trace);
          span?.end();
          stream.write(InferResult.fromPartial({ batchId }));
        });
        stream.on('end', () => stream.end());
        stream.on('error', () => stream.end());
      }),
    });
    await new Promise<void>((resolve, reject) =>
      server.listen((error) => (error ? reject(error as Error) : resolve())),
    );
    peer = new Peer(InferenceWorkerClient, 'worker', address, token);
  });
  afterAll(async () => {
    peer.close();
    await server.close();
    await tracing.stop();
    await collector.stop();
  });

  /** The context that the server saw for one message of a stream, of a caller that traces or does not. */
  async function message(fields: Partial<InferBatch>, caller?: string): Promise<TraceContext | undefined> {
    const { metadata } = peer;
    const trace = parseTraceContext(caller);
    const stream = peer.stub.infer(trace === undefined ? metadata : withTrace(metadata, trace));
    stream.write({
      ...InferBatch.create({ batchId: 1 }),
      ...fields,
    });
    stream.end();
    for await (const _ of stream);
    return seen.at(-1);
  }

  it('a stream has no span; a message of it has one where it carries a context', async () => {
    expect(await message({})).toBeUndefined();
    expect(await message({}, traceparent('c'))).toBeUndefined();
    expect(await message({ traceparents: ['junk'] })).toBeUndefined();
    expect(await message({ traceparents: [traceparent('d')] }, traceparent('c'))).toMatchObject({
      traceId: 'd'.repeat(32),
    });
  });

  it("a message that is a call of its own is in its caller's trace, or begins one", async () => {
    expect(await message({ timeoutMs: 1 }, traceparent('e'))).toMatchObject({ traceId: 'e'.repeat(32) });
    expect(await message({ timeoutMs: 1 })).toMatchObject({
      traceFlags: 1,
      traceId: expect.not.stringMatching(/^0+$/),
    });
  });

  it('an incoming call begins a trace where the sampler says so; an outgoing one never does', async () => {
    const traced = new Peer(InferenceWorkerClient, 'worker', address, token, tracing);
    await traced.call((stub) => stub.prepare, { onnxSha256: 'x', features: 1 }, 2_000);
    traced.close();
    await tracing.stop();
    const spans = collector.of(seen.at(-1)!.traceId);
    expect(spans).toMatchObject([{ kind: 2, parentSpanId: '' }]);
    expect(collector.of('c'.repeat(32))).toEqual([]);
  });
});

it('a message names no more contexts than can be linked', () => {
  expect(
    readTraceparents(Array.from({ length: 1_000 }, () => `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`)),
  ).toHaveLength(maxLinks);
});
