import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import {
  Background,
  InferBatch,
  InferenceWorkerClient,
  type InferResult,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import type { Publisher } from '#libs/messaging/message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { Logger } from '#libs/telemetry/logger.js';
import { type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { endlessModel, largeModel, unreadable } from './hostile-models.js';

const fixture = join(projectRoot(), 'services/inference-worker/test/fixtures/binary.onnx');
const endpoint = `worker-test-${randomUUID()}`;
const modelsLoaded = 'millrace_inference_worker_models_loaded';

describe('inference-worker', () => {
  let folder: string;
  let sha256: string;
  let damaged: string;
  let background: string;
  let messageLog: KafkaMessageLog;
  let routes: Publisher;
  let worker: ServiceProcess;
  let peer: Peer<InferenceWorkerClient>;

  const start = async (): Promise<void> => {
    worker = await startService('inference-worker', getTestInfrastructure().KAFKA_BROKERS, {
      ARTIFACTS_DIR: folder,
      MODEL_CHECK_TIMEOUT_MS: '5000',
    });
    peer = new Peer(InferenceWorkerClient, 'inference-worker', worker.grpcAddress, token);
  };
  const stop = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> => {
    peer.close();
    return worker.kill(signal);
  };

  const publishRoute = async (deleted: boolean): Promise<void> => {
    const live = { model: 'worker-test', version: '1', onnxSha256: sha256 };
    const route = Route.fromPartial({ endpoint, generation: 1, model: 'worker-test', live, deleted });
    const value = Buffer.from(Route.encode(route).finish());
    await routes.publish([{ key: Buffer.from(endpoint), value, headers: {} }]);
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-worker-'));
    const store = new ArtifactStore(folder);
    ({ sha256 } = await store.put(chunks(await readFile(fixture)), 1_000_000));
    ({ sha256: damaged } = await store.put(chunks(Buffer.from('a model')), 1_000_000));
    await writeFile(store.path(damaged), 'another model');
    const rows = Buffer.from(new Float32Array([1, 1, 1, 3, -1, -1]).buffer);
    const bytes = Buffer.from(Background.encode({ features: 3, rows }).finish());
    ({ sha256: background } = await store.put(chunks(bytes), 1_000_000));
    const brokers = getTestInfrastructure().KAFKA_BROKERS.split(',');
    messageLog = new KafkaMessageLog('registry', brokers, new Wiring(), new Logger('registry', 'error'));
    await messageLog.ensureTopics([{ id: 'routesChanged' }, { id: 'modelsChanged' }]);
    routes = messageLog.publisher('routesChanged');
    await publishRoute(false);
    await start();
  }, 60_000);
  afterAll(async () => {
    await stop('SIGTERM');
    await publishRoute(true);
    await messageLog.close();
    await rm(folder, { recursive: true });
  }, 30_000);

  const batch = (fields: Partial<InferBatch>): InferBatch => {
    const input = Buffer.from(new Float32Array([1, 2, 3, 0, 0, 0]).buffer);
    return InferBatch.fromPartial({ onnxSha256: sha256, rows: 2, features: 3, input, ...fields });
  };
  const infer = async (batches: InferBatch[]): Promise<Map<number, InferResult>> => {
    const stream = peer.stub.infer(peer.metadata);
    const results = new Map<number, InferResult>();
    stream.on('data', (result: InferResult) => results.set(result.batchId, result));
    for (const asked of batches) stream.write(asked);
    stream.end();
    await once(stream, 'end');
    return results;
  };

  it('has loaded what is live before it is ready, again after kill -9', async () => {
    await expect(worker.metric(modelsLoaded)).resolves.toBe(1);
    await stop('SIGKILL');
    await start();
    await expect(worker.metric(modelsLoaded)).resolves.toBe(1);
  }, 60_000);

  it('answers every batch of a half-closed stream by its id, then ends it', async () => {
    const batches = Array.from({ length: 100 }, (_, i) => batch({ batchId: i + 1 }));
    const results = await infer(batches);
    expect(results.size).toBe(100);
    for (const { errorCode, columns, output } of results.values()) {
      expect({ errorCode, columns, bytes: output.length }).toEqual({ errorCode: '', columns: 2, bytes: 16 });
      expect(output.readFloatLE(4)).toBeCloseTo(1 / (1 + Math.exp(-4.5)), 6);
      expect(output.readFloatLE(12)).toBe(0.5);
    }
    expect(await worker.metric('millrace_inference_worker_run_seconds_count')).toBeLessThan(100);
  });

  it('says for each batch what is wrong with it, and answers the others', async () => {
    const results = await infer([
      batch({ batchId: 1, onnxSha256: 'f'.repeat(64) }),
      batch({ batchId: 2, onnxSha256: damaged }),
      batch({ batchId: 3, features: 4 }),
      batch({ batchId: 4, rows: 3 }),
      batch({ batchId: 5, rows: 0, input: Buffer.alloc(0) }),
      batch({ batchId: 6 }),
    ]);
    const codes = [1, 2, 3, 4, 5, 6].map((id) => results.get(id)?.errorCode);
    expect(codes).toEqual(['model-not-found', 'hash-mismatch', 'bad-shape', 'bad-shape', '', '']);
    expect(results.get(5)).toMatchObject({ columns: 2, output: Buffer.alloc(0) });
  });

  it('explains in a thread of its own what is asked to be explained, and scores the others meanwhile', async () => {
    const explain = { explain: true, backgroundSha256: background };
    const results = await infer([
      batch({ batchId: 1, ...explain }),
      batch({ batchId: 2 }),
      batch({ batchId: 3, ...explain, backgroundSha256: 'f'.repeat(64) }),
      batch({ batchId: 4, ...explain, features: 4 }),
    ]);
    const [first, , missing, wrong] = [1, 2, 3, 4].map((id) => results.get(id)!);
    const order = [...results.keys()];
    expect(order.indexOf(2)).toBeLessThan(order.indexOf(1));
    expect(first).toMatchObject({ errorCode: '', explainedBy: 'permutation-shap', columns: 2 });
    expect(first!.output).toEqual(results.get(2)!.output);
    // Its log odds are 0.5 a - b + 2 c; of the background 1, on average.
    expect(first!.baseValue).toBeCloseTo(1, 4);
    const contributions = [0, 1, 2, 3, 4, 5].map((i) => first!.contributions.readDoubleLE(i * 8));
    for (const [i, expected] of [-0.5, -2, 6, -1, 0, 0].entries()) expect(contributions[i]).toBeCloseTo(expected, 3);
    expect([missing?.errorCode, wrong?.errorCode]).toEqual(['model-not-found', 'bad-shape']);
    await expect(worker.metric('millrace_inference_worker_explained_rows_total')).resolves.toBe(4);
  });

  it('prepares a model, and names what is wrong with one', async () => {
    const prepare = (onnxSha256: string, features: number) =>
      peer.call((stub) => stub.prepare, { onnxSha256, features }, 5_000);
    await expect(prepare(sha256, 3)).resolves.toMatchObject({ inputName: 'input', outputName: 'probabilities' });
    await expect(prepare(sha256, 4)).rejects.toMatchObject({ code: 'failed-precondition' });
    await expect(prepare(damaged, 3)).rejects.toMatchObject({ code: 'failed-precondition' });
    await expect(prepare('f'.repeat(64), 3)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('serves a good model without a failed batch while it refuses hostile ones', async () => {
    const store = new ArtifactStore(folder);
    const thief = unreadable.find(([name]) => name.startsWith('reads /etc/passwd'))![2];
    const hostile = [endlessModel(), thief(), largeModel(64 * 1_024)];
    const stored = await Promise.all(hostile.map((bytes) => store.put(chunks(bytes), 1_000_000)));
    const open = new Set(stored.map(({ sha256: one }) => one));
    const refusals = stored.map((one) =>
      peer
        .call((stub) => stub.prepare, { onnxSha256: one.sha256, features: 2 }, 30_000)
        .then(() => 'loaded')
        .catch((error: unknown) => String(error))
        .finally(() => open.delete(one.sha256)),
    );
    let answered = 0;
    while (open.size > 0) {
      const results = await infer(Array.from({ length: 20 }, (_, i) => batch({ batchId: i + 1 })));
      for (const { errorCode, errorMessage } of results.values()) expect(errorCode + errorMessage).toBe('');
      answered += results.size;
    }
    expect(answered).toBeGreaterThan(100);
    expect(await Promise.all(refusals)).toEqual([
      expect.stringMatching(/its check took longer than 5000 ms/),
      expect.stringMatching(/keeps its data in another file/),
      expect.stringMatching(/run-failed/),
    ]);
    await expect(worker.metric(modelsLoaded)).resolves.toBe(1);
  }, 60_000);

  it('refuses a stream without a token', async () => {
    const stream = peer.stub.infer();
    stream.resume();
    const [error] = (await once(stream, 'error')) as [{ code: number }];
    expect(error.code).toBe(16);
  });

  it('stops cleanly with a stream open', async () => {
    const stream = peer.stub.infer(peer.metadata);
    stream.resume().on('error', () => undefined); // The stop ends it with UNAVAILABLE.
    await expect(stop('SIGTERM')).resolves.toBe(0);
    await start();
  }, 60_000);
});

async function* chunks(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
