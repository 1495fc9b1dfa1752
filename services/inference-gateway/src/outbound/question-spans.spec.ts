import type { ServerDuplexStream } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import {
  type InferBatch,
  InferenceWorkerService,
  InferResult,
  PrepareResponse,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { startTracing } from '#libs/telemetry/start-tracing.js';
import { parseTraceContext, type TraceContext } from '#libs/telemetry/trace-context.js';
import type { Tracing } from '#libs/telemetry/tracing.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { type CollectedSpan, OtlpCollector } from '#libs/testing/otlp-collector.js';
import { float32Bytes, float32View } from '#libs/tensors/tensor-codec.js';
import { WorkerPoolClient } from './worker-pool.client.js';

const token = 'a-token-of-sixteen-and-more';
const address = '127.0.0.1:47211';
const quiet = new Logger('test', 'error', () => undefined);
const collector = new OtlpCollector();
const carried: string[][] = [];
let server: GrpcServer;
let pool: WorkerPoolClient;
const tracings: Tracing[] = [];

/** A worker that takes part in traces, and a gateway's pool; each exports as a service does. */
beforeAll(async () => {
  const url = `${await collector.start()}/v1/traces`;
  const as = (serviceName: string): Tracing => {
    const options = { serviceName, url, headers: {}, sampler: 'parentbased_always_on', ratio: 1 } as const;
    tracings.push(startTracing(options, new Metrics(serviceName), quiet));
    return tracings.at(-1)!;
  };
  server = new GrpcServer(address, adminGuard('tester', token), new Readiness(), quiet, 200, as('worker'));
  server.addService(InferenceWorkerService, {
    prepare: handle.unary(async () => PrepareResponse.create()),
    infer: handle.duplex((stream: ServerDuplexStream<InferBatch, InferResult>, { messageSpan }: CallContext) => {
      stream.on('data', ({ batchId, traceparents, onnxSha256, input }: InferBatch) => {
        carried.push(traceparents);
        const span = messageSpan?.(traceparents);
        const broken = onnxSha256 === 'broken';
        span?.end(broken ? new MillraceError('internal', 'it broke') : undefined);
        stream.write(
          InferResult.fromPartial(
            broken
              ? { batchId, errorCode: 'run-failed', errorMessage: 'it broke' }
              : { batchId, columns: 1, output: float32Bytes(float32View(input)) },
          ),
        );
      });
      stream.on('error', () => stream.end());
    }),
  });
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  pool = new WorkerPoolClient([address], token, 2_000, as('gateway'));
});
afterAll(async () => {
  pool.close();
  await server.close();
  await Promise.all(tracings.map((tracing) => tracing.stop()));
  await collector.stop();
});
beforeEach(() => {
  carried.length = 0;
});

const traceOf = (digit: string, flags = '01'): TraceContext =>
  parseTraceContext(`00-${digit.repeat(32)}-${'b'.repeat(16)}-${flags}`)!;
const run = (trace?: TraceContext, sha = 'm') => pool.run(sha, 1, Float32Array.of(1), 'live', trace);

async function spans(count: number, ...digits: string[]): Promise<CollectedSpan[]> {
  const found = () => digits.flatMap((digit) => collector.of(digit.repeat(32)));
  for (const untilMs = Date.now() + 20_000; found().length < count;) {
    if (Date.now() > untilMs) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return found();
}

it('each traced request of a batch has a span in its own trace; the peer has one in the first, linked to the others', async () => {
  await Promise.all([run(), run(traceOf('1')), run(traceOf('2')), run(traceOf('3', '00'))]);
  const found = await spans(3, '1', '2');
  expect(found).toHaveLength(3);
  const of = (service: string, digit: string) =>
    found.find((span) => span.service === service && span.traceId === digit.repeat(32))!;
  const [first, second, worker] = [of('gateway', '1'), of('gateway', '2'), of('worker', '1')];
  for (const client of [first, second])
    expect(client).toMatchObject({
      kind: 3,
      name: 'millrace.worker.v1.InferenceWorker/Infer',
      parentSpanId: 'b'.repeat(16),
      attributes: {
        'rpc.system.name': 'grpc',
        'rpc.method': 'millrace.worker.v1.InferenceWorker/Infer',
        'rpc.status_code': 'OK',
        'server.address': '127.0.0.1',
        'server.port': 47211,
        'millrace.batch.questions': 4,
      },
    });
  expect(worker).toMatchObject({ kind: 2, parentSpanId: first.spanId });
  expect(worker.links.map(({ spanId }) => spanId)).toEqual([second.spanId]);
  expect(second.links.map(({ spanId }) => spanId)).toEqual([first.spanId]);
  expect(carried).toHaveLength(1);
  expect(collector.of('3'.repeat(32))).toEqual([]);
});

it('a batch that nobody traces carries nothing and makes no span', async () => {
  await Promise.all([run(), run(traceOf('4', '00'))]);
  expect(carried).toEqual([[]]);
});

it('a batch that fails is an error on both sides', async () => {
  await expect(run(traceOf('5'), 'broken')).rejects.toMatchObject({ code: 'internal' });
  const found = await spans(2, '5');
  for (const span of found)
    expect(span).toMatchObject({
      statusCode: 2,
      attributes: { 'rpc.status_code': 'INTERNAL', 'error.type': 'INTERNAL' },
    });
});
