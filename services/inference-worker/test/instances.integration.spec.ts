import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import {
  InferBatch,
  InferenceWorkerClient,
  type InferResult,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { freePort, type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { putArtifact, ToldRegistry } from '#libs/testing/told-registry.js';
import { heavyModel, heavyWidth } from './heavy-model.js';

const heavyRows = 256;
let folder: string;
let light: string;
let heavy: string;
let worker: ServiceProcess;
let peer: Peer<InferenceWorkerClient>;

beforeAll(async () => {
  const brokers = getTestInfrastructure().KAFKA_BROKERS;
  const registry = new ToldRegistry(brokers);
  await registry.ensureTopics();
  await registry.close();
  folder = await mkdtemp(join(tmpdir(), 'millrace-instances-'));
  light = await putArtifact(
    folder,
    await readFile(join(projectRoot(), 'services/inference-worker/test/fixtures/binary.onnx')),
  );
  heavy = await putArtifact(folder, heavyModel());
  worker = await startService('inference-worker', brokers, { ARTIFACTS_DIR: folder, INSTANCES: '2' });
  peer = new Peer(InferenceWorkerClient, 'inference-worker', worker.grpcAddress, token);
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

const lightBatch = (batchId: number): InferBatch =>
  InferBatch.fromPartial({
    batchId,
    onnxSha256: light,
    rows: 1,
    features: 3,
    input: Buffer.from(Float32Array.of(1, 2, 3).buffer),
  });
const heavyBatch = (batchId: number): InferBatch => {
  const data = Buffer.alloc(heavyRows * heavyWidth * 4);
  const tensors = [{ name: 'x', datatype: 'FP32', shape: [heavyRows, heavyWidth], data }];
  return InferBatch.fromPartial({ batchId, onnxSha256: heavy, rows: heavyRows, tensors });
};

it('With several instances a model that takes long delays no other, and the memory of each is counted.', async () => {
  for (const [onnxSha256, features] of [
    [light, 3],
    [heavy, heavyWidth],
  ] as const)
    await peer.call((stub) => stub.prepare, { onnxSha256, features }, 30_000);
  const bytes = await worker.metric('millrace_inference_worker_model_memory_bytes');
  expect(bytes).toBeGreaterThan(2 * heavyModel().length);

  const stream = peer.stub.infer(peer.metadata);
  const order: number[] = [];
  const results = new Map<number, InferResult>();
  stream.on('data', (result: InferResult) => {
    order.push(result.batchId);
    results.set(result.batchId, result);
  });
  stream.write(heavyBatch(1));
  for (let batchId = 2; batchId < 12; batchId += 1) {
    stream.write(lightBatch(batchId));
    while (!results.has(batchId)) await once(stream, 'data');
  }
  stream.end();
  await once(stream, 'end');
  expect(order.at(-1)).toBe(1);
  expect(results.get(1)).toMatchObject({ errorCode: '', tensors: [{ name: 'y', shape: [heavyRows, heavyWidth] }] });
  for (let batchId = 2; batchId < 12; batchId += 1)
    expect(results.get(batchId)!.output.readFloatLE(4)).toBeCloseTo(1 / (1 + Math.exp(-4.5)), 6);
  peer.close();
  expect(await worker.kill('SIGTERM')).toBe(0);
}, 60_000);

it('A worker does not start where an execution provider does not work, and says which.', async () => {
  const child = spawn(process.execPath, [join(projectRoot(), 'dist/services/inference-worker/src/main.js')], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      GRPC_LISTEN: `127.0.0.1:${await freePort()}`,
      HTTP_LISTEN: `127.0.0.1:${await freePort()}`,
      KAFKA_BROKERS: getTestInfrastructure().KAFKA_BROKERS,
      MILLRACE_TOKEN: token,
      MILLRACE_TOKENS: `test=${token}`,
      ARTIFACTS_DIR: folder,
      // Its libraries are in no package that we install (.npmrc), so it comes up on no machine that runs this test.
      EXECUTION_PROVIDERS: 'cuda,cpu',
    },
  });
  let text = '';
  child.stdout.on('data', (data: Buffer) => (text += data.toString()));
  const [code] = (await once(child, 'close')) as [number];
  expect({ code, text }).toEqual({
    code: 1,
    text: expect.stringMatching(/service_failed_to_start.*\\"cuda\\" does not work here/),
  });
}, 60_000);
