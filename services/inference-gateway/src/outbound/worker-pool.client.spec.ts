import { Metadata, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type InferBatch,
  InferenceWorkerService,
  InferResult,
  PrepareResponse,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { grpcTransports } from '#libs/rpc/grpc-transport.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { float32Bytes, float32View } from '#libs/tensors/tensor-codec.js';
import { LateRequest } from '../domain/late-request.js';
import type { RunLane } from '../domain/ports.js';
import { WorkerAway } from '../domain/worker-away.js';
import { WorkerPoolClient } from './worker-pool.client.js';

const token = 'a-token-of-sixteen-and-more';
const address = '127.0.0.1:47197';
describe.each(grpcTransports)('over %s', (transport) => {
  const server = new GrpcServer(
    address,
    adminGuard('tester', token),
    new Readiness(),
    new Logger('test', 'error', () => {}),
    200,
    undefined,
    { transport },
  );
  let batches: { sha: string; rows: number; timeoutMs: number }[];
  let pool: WorkerPoolClient;

  /** Answers a row with its one feature; of the model `lost` that it has no such model, of `slow` that it was too late. The model `deadly` breaks the stream. */
  function answer({ batchId, onnxSha256, rows, input, timeoutMs }: InferBatch): InferResult {
    batches.push({ sha: onnxSha256, rows, timeoutMs });
    if (onnxSha256 === 'slow') return InferResult.fromPartial({ batchId, errorCode: 'deadline', errorMessage: 'late' });
    return InferResult.fromPartial(
      onnxSha256 === 'lost'
        ? { batchId, errorCode: 'model-not-found', errorMessage: 'no lost' }
        : { batchId, columns: 1, output: float32Bytes(float32View(input)) },
    );
  }

  beforeAll(async () => {
    server.addService(InferenceWorkerService, {
      prepare: handle.unary(async () => PrepareResponse.create()),
      infer: handle.duplex((stream: ServerDuplexStream<InferBatch, InferResult>) => {
        stream.sendMetadata(new Metadata());
        stream.on('data', (batch: InferBatch) => {
          const result = answer(batch);
          if (batch.onnxSha256 === 'deadly') stream.emit('error', { code: status.UNAVAILABLE, details: 'gone' });
          else stream.write(result);
        });
        stream.on('error', () => stream.end());
      }),
    });
    await new Promise<void>((resolve, reject) =>
      server.listen((error) => (error ? reject(error as Error) : resolve())),
    );
  });
  afterAll(() => server.close());
  beforeEach(() => {
    batches = [];
    pool = new WorkerPoolClient([address], token, 2_000, undefined, undefined, transport);
  });
  afterEach(() => pool.close());

  const run = (sha: string, lane: RunLane, ...cells: number[]): Promise<number[]> =>
    pool.run(sha, cells.length, Float32Array.from(cells), lane).then((scores) => [...scores]);

  it("a candidate's failures, canary or shadow, never keep the live version from its worker", async () => {
    for (let i = 0; i < 30; i++) {
      for (const lane of ['canary', 'shadow'] as const)
        await expect(run('lost', lane, 1)).rejects.toMatchObject({ code: 'unavailable' });
      expect(await run('good', 'live', i)).toEqual([i]);
    }
    expect(batches.filter(({ sha }) => sha === 'good')).toHaveLength(30);
  });

  it('a candidate that always fails is soon not asked any more', async () => {
    for (let i = 0; i < 30; i++) await run('lost', 'canary', 1).catch(() => {});
    expect(batches.length).toBeLessThan(15);
  });

  it('rows of one turn and model are one batch; a shadow shares none with rows that somebody waits for', async () => {
    const scores = await Promise.all([
      run('m', 'live', 1, 2),
      run('m', 'shadow', 3),
      run('m', 'live', 4),
      run('m', 'canary', 5),
    ]);
    expect(scores).toEqual([[1, 2], [3], [4], [5]]);
    expect(batches.map(({ rows }) => rows)).toEqual([3, 1, 1]);
  });

  describe("callers' deadlines", () => {
    const until = (sha: string, untilMs: number): Promise<Float32Array> =>
      pool.run(sha, 1, Float32Array.of(1), 'live', undefined, untilMs);

    it('a question whose deadline passed while it waited is never sent', async () => {
      const [late, open] = await Promise.allSettled([until('m', Date.now()), until('m', Date.now() + 10_000)]);
      expect(late).toMatchObject({ status: 'rejected', reason: { code: 'deadline-exceeded' } });
      expect(open).toMatchObject({ status: 'fulfilled' });
      expect(batches.map(({ rows }) => rows)).toEqual([1]);
    });

    it('a batch may take what its most patient caller has left, and no more than the setting', async () => {
      await Promise.all([until('m', Date.now() + 400), until('m', Date.now() + 900)]);
      await Promise.all([until('m', Date.now() + 400), until('m', Infinity)]);
      await until('m', Date.now() + 60_000);
      const [hurried, ...others] = batches.map(({ timeoutMs }) => timeoutMs);
      expect(hurried).toBeGreaterThan(400);
      expect(hurried).toBeLessThanOrEqual(900);
      expect(others).toEqual([2_000, 2_000]);
    });

    it('a worker that drops what callers left no time for has not failed, and is asked on', async () => {
      for (let i = 0; i < 20; i++) await expect(until('slow', Date.now() + 500)).rejects.toBeInstanceOf(LateRequest);
      expect(batches).toHaveLength(20);
      for (let i = 0; i < 60; i++) await until('slow', Infinity).catch(() => {});
      expect(batches.length).toBeLessThan(60);
    });
  });

  describe('a worker that goes away', () => {
    it('is told from a model that fails: nobody listens, or its breaker is open because of that', async () => {
      const nobody = new WorkerPoolClient(['127.0.0.1:1'], token, 2_000, undefined, undefined, transport);
      for (const lane of ['live', 'canary', 'shadow'] as const)
        for (let i = 0; i < 10; i++) {
          const error = await nobody.run('m', 1, Float32Array.of(1), lane).catch((one: unknown) => one);
          expect(error).toBeInstanceOf(WorkerAway);
          expect(error).toMatchObject({ code: 'unavailable', hadQuestion: false });
        }
      nobody.close();
    });

    it('has nothing to do with a model that it does not find, also when that has opened the breaker', async () => {
      for (const lane of ['canary', 'shadow'] as const)
        for (let i = 0; i < 10; i++) {
          const error = await run('lost', lane, 1).catch((one: unknown) => one);
          expect(error).toMatchObject({ code: 'unavailable' });
          expect(error).not.toBeInstanceOf(WorkerAway);
        }
    });

    it('takes no second one with it: what a canary had on its way is asked nowhere else, what the live version had is', async () => {
      await run('good', 'live', 1);
      await expect(run('deadly', 'canary', 1)).rejects.toMatchObject({ hadQuestion: true });
      expect(batches.filter(({ sha }) => sha === 'deadly')).toHaveLength(1);
      await run('deadly', 'live', 1).catch(() => {});
      expect(batches.filter(({ sha }) => sha === 'deadly')).toHaveLength(3);
    });

    it.each(['canary', 'shadow'] as const)(
      'again and again of one %s is that model’s failure, which is then asked no more',
      async (lane) => {
        const errors: unknown[] = [];
        for (let i = 0; i < 8; i++) {
          for (let j = 0; j < 50; j++) await run('good', 'live', j);
          errors.push(await run('deadly', lane, 1).catch((error: unknown) => error));
        }
        expect(errors[0]).toBeInstanceOf(WorkerAway);
        expect(errors.at(-1)).not.toBeInstanceOf(WorkerAway);
        expect(errors.at(-1)).toMatchObject({
          code: 'unavailable',
          message: expect.stringMatching(/^[345] times a worker went away .* not asked for 30 s$/),
        });
        expect(batches.filter(({ sha }) => sha === 'deadly').length).toBeLessThanOrEqual(5);
      },
    );
  });
});
