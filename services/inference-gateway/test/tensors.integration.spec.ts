import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensurePython } from '#deploy/local/launcher/training-python.js';
import { GRPCInferenceServiceClient, ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { token } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';
import { WorkerPoolClient } from '../src/outbound/worker-pool.client.js';
import { WorkerTensorRunner } from '../src/outbound/worker-tensor.runner.js';
import { two } from './fake-tensors.js';
import { startTensorBench, type TensorBench } from './tensor-bench.js';
import { tensorRunnerContract } from './tensor-runner.contract.js';

const run = promisify(execFile);
const clients = join(projectRoot(), 'deploy/local/launcher/test/clients');
let bench: TensorBench;
let peer: Peer<GRPCInferenceServiceClient>;
let pool: WorkerPoolClient | undefined;
beforeAll(async () => {
  bench = await startTensorBench();
  peer = new Peer(GRPCInferenceServiceClient, 'gateway', bench.gateway.grpcAddress, token);
}, 600_000);
afterAll(async () => {
  peer?.close();
  pool?.close();
  await bench?.stop();
}, 60_000);

async function python(environment: string, lock: string, script: string, ...models: string[]): Promise<unknown> {
  const interpreter = await ensurePython(environment, lock, () => undefined);
  const { grpcAddress, httpUrl } = bench.gateway;
  const args = [join(clients, script), grpcAddress, httpUrl.slice('http://'.length), token, ...models];
  return JSON.parse((await run(interpreter, args)).stdout) as unknown;
}

describe('a model of any ONNX kind, asked by tritonclient', () => {
  let got: Record<string, Record<string, unknown>>;
  beforeAll(async () => {
    const { text, image, mixed, foreign } = bench;
    const models = [text, image, mixed, foreign];
    got = (await python('python-test', 'requirements-test.lock', 'triton_tensors.py', ...models)) as typeof got;
  }, 600_000);

  it.each(['grpc', 'http'])(
    'over %s: text, an image, three datatypes, and a server of KServe behind the mesh',
    (protocol) => {
      const { image, mixed, text } = bench;
      expect(got[protocol]).toMatchObject({
        text: [[1], [2], [-1]],
        image: [8.25, 26.25],
        grey: true,
        total: [2, 2 ** 61],
        kept: ['4', String(2n ** 60n)],
        outputs: ['total', 'kept'],
        predicted: true,
        classes: [expect.stringMatching(/:1$/)],
        wrongName: expect.stringContaining(`unexpected inference input 'x' for model '${text}'; its inputs are word`),
        wrongType: expect.stringContaining(`data-type is 'INT32', but model '${mixed}' expects 'INT64'`),
        wrongRank: expect.stringContaining(
          `unexpected shape for input 'image' for model '${image}'. Expected [-1,3,-1,-1], got [3,2,2]`,
        ),
        wrongSize: expect.stringContaining('Expected [-1,3,-1,-1], got [1,4,2,2]'),
        missing: expect.stringContaining("but missing required input(s) ['count','keep']"),
        uneven: expect.not.stringMatching(/^answered$/),
        foreign: [
          ['yes!', 'größer!', 'no!'],
          [
            [0, 2],
            [4, 6],
          ],
        ],
        foreignRefuses: expect.stringContaining('this word is not taken'),
        foreignFails: expect.stringContaining('upstream'),
      });
    },
  );

  it('with the metadata and the configuration of the model itself', () => {
    expect(got['metadata']).toEqual([
      [['image', 'FP32', ['-1', '3', '-1', '-1']]],
      [
        ['grey', 'FP32', ['-1', '1', '-1', '-1']],
        ['brightness', 'FP32', ['-1', '1', '1', '1']],
      ],
    ]);
    expect(got['config']).toEqual([0, ['TYPE_FP16', 'TYPE_INT64', 'TYPE_BOOL']]);
    expect(got['http']!['json']).toEqual([[1], [2], [-1]]);
  });
});

it("KServe's client works unchanged, over REST and over gRPC", async () => {
  const answered = [
    [2, 10],
    [4, 0],
  ];
  const got = await python('python-kserve', 'requirements-kserve.lock', 'kserve_tensors.py', bench.mixed);
  expect(got).toEqual({ rest: answered, grpc: answered });
}, 600_000);

tensorRunnerContract('a real worker', async () => {
  pool = new WorkerPoolClient([bench.workerAddress], token, 5_000);
  return { runner: new WorkerTensorRunner(pool), version: bench.mixedVersion };
});

describe('two versions of a tensor model', () => {
  it('share the requests, and the one that is tried is shown those of the other', async () => {
    const ask = (id: string) =>
      peer.call(
        (stub) => stub.modelInfer,
        ModelInferRequest.fromPartial({ modelName: bench.mixed, id, ...two }),
        5_000,
      );
    const answers = [];
    // So many at once that no candidate has to stand back for them.
    for (let from = 0; from < 100; from += 20)
      answers.push(...(await Promise.all(Array.from({ length: 20 }, (_, i) => ask(`r-${from + i}`)))));
    const theirs = answers.filter(({ modelVersion }) => modelVersion === '2').length;
    expect(theirs).toBeGreaterThan(20);
    expect(theirs).toBeLessThan(80);
    await until(async () => (await bench.gateway.metric('millrace_inference_gateway_shadows_total')) >= 100 - theirs);
  }, 60_000);
});

describe('a model that is served elsewhere', () => {
  const numbers = Buffer.from(Float32Array.of(1).buffer);
  const ask = (modelName: string) => {
    const inputs = [
      { name: 'words', datatype: 'BYTES', shape: [1, 1] },
      { name: 'numbers', datatype: 'FP32', shape: [1, 1] },
    ];
    const rawInputContents = [Buffer.from('\x01\0\0\0x', 'latin1'), numbers];
    return peer.call(
      (stub) => stub.modelInfer,
      ModelInferRequest.fromPartial({ modelName, inputs, rawInputContents }),
      10_000,
    );
  };

  it('at an address that is not in the settings is never called', async () => {
    await expect(ask(bench.forbidden)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('is UNAVAILABLE while its server is away, and its breaker says so soon', async () => {
    expect((await ask(bench.foreign)).outputs.map(({ name }) => name)).toEqual(['joined', 'doubled']);
    await bench.stopForeign();
    for (let i = 0; i < 8; i++) await expect(ask(bench.foreign)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(ask(bench.foreign)).rejects.toThrow("upstream model 'doubler' is away");
  }, 60_000);
});
