import type { ServerDuplexStream } from '@grpc/grpc-js';
import { describe, afterEach, beforeEach, expect, it } from '@jest/globals';
import {
  type InferBatch,
  InferenceWorkerService,
  InferResult,
  PrepareResponse,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { type GrpcTransportName, grpcTransports } from '#libs/rpc/grpc-transport.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { freePort } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';
import { WorkerPoolClient } from './worker-pool.client.js';

const token = 'a-token-of-sixteen-and-more';
type Stream = ServerDuplexStream<InferBatch, InferResult>;

/** Answers when it is let, and tells that it stops as a real one does. */
class StandIn {
  readonly held: (() => void)[] = [];
  batches = 0;
  holds = false;
  private server!: GrpcServer;

  constructor(
    readonly address: string,
    private readonly transport: GrpcTransportName,
  ) {}

  async start(): Promise<void> {
    const quiet = new Logger('test', 'error', () => {});
    this.server = new GrpcServer(this.address, adminGuard('tester', token), new Readiness(), quiet, 5_000, undefined, {
      transport: this.transport,
    });
    this.server.addService(InferenceWorkerService, {
      prepare: handle.unary(async () => PrepareResponse.create()),
      infer: handle.duplex((stream: Stream) => {
        stream.on('data', ({ batchId, input }: InferBatch) => {
          this.batches += 1;
          const answer = () => void stream.write(InferResult.fromPartial({ batchId, columns: 1, output: input }));
          if (this.holds) this.held.push(answer);
          else answer();
        });
        stream.on('end', () => stream.end());
        return () => {
          stream.write(InferResult.fromPartial({ errorCode: 'draining' }));
          return new Promise((resolve) => stream.once('finish', resolve));
        };
      }),
    });
    await new Promise<void>((resolve, reject) => this.server.listen((error) => (error ? reject(error) : resolve())));
  }

  stop(): Promise<void> {
    return this.server.close();
  }
}

describe.each(grpcTransports)('over %s', (transport) => {
  let workers: StandIn[];
  let pool: WorkerPoolClient;
  beforeEach(async () => {
    workers = [
      new StandIn(`127.0.0.1:${await freePort()}`, transport),
      new StandIn(`127.0.0.1:${await freePort()}`, transport),
    ];
    await Promise.all(workers.map((worker) => worker.start()));
    pool = new WorkerPoolClient(
      workers.map(({ address }) => address),
      token,
      10_000,
      undefined,
      undefined,
      transport,
    );
  });
  afterEach(async () => {
    pool.close();
    await Promise.all(workers.map((worker) => worker.stop()));
  });

  const run = (value: number): Promise<number> =>
    pool.run('m', 1, Float32Array.of(value), 'live').then((scores) => scores[0]!);

  it('a worker that says it stops answers what it has been sent, is asked nothing more, and is asked again when it is back', async () => {
    const [first, second] = workers as [StandIn, StandIn];
    first.holds = true;
    const held = run(7);
    await until(() => first.batches === 1);
    const stopped = first.stop();
    const before = second.batches;
    // Until the word has come, it may be asked once more.
    for (let i = 0; i < 50; i++) await run(i);
    const asked = first.batches;
    for (let i = 0; i < 50; i++) expect(await run(i)).toBe(i);
    expect(first.batches).toBe(asked);
    expect(second.batches - before).toBeGreaterThanOrEqual(98);
    first.holds = false;
    for (const answer of first.held) answer();
    expect(await held).toBe(7);
    await stopped;
    await first.start();
    await until(async () => (await run(1)) === 1 && first.batches > asked);
  });
});
