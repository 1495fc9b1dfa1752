import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensurePython } from '#deploy/local/launcher/training-python.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { token } from '#libs/testing/service-process.js';
import { type GatewayBench, startGatewayBench } from './gateway-bench.js';

const run = promisify(execFile);
const clients = join(projectRoot(), 'deploy/local/launcher/test/clients');
let bench: GatewayBench;
beforeAll(async () => {
  bench = await startGatewayBench();
}, 90_000);
afterAll(() => bench?.stop(), 60_000);

async function python<T>(environment: string, lock: string, script: string, ...models: string[]): Promise<T> {
  const interpreter = await ensurePython(environment, lock, () => undefined);
  const { grpcAddress, httpUrl } = bench.gateway;
  const args = [join(clients, script), grpcAddress, httpUrl.slice('http://'.length), token, ...models];
  return JSON.parse((await run(interpreter, args)).stdout) as T;
}

describe('tritonclient works unchanged', () => {
  let got: Record<'grpc' | 'http' | 'aio', Record<string, unknown>>;
  beforeAll(async () => {
    const { model, rollingOut, single } = bench;
    got = await python('python-test', 'requirements-test.lock', 'triton_everything.py', model, rollingOut, single);
  }, 600_000);

  it.each(['grpc', 'http'] as const)('over %s', (protocol) => {
    const { model, rollingOut } = bench;
    expect(got[protocol]).toMatchObject({
      live: true,
      ready: true,
      modelReady: true,
      versionReady: true,
      versionNotReady: false,
      unknownReady: false,
      two: [0.1, 0.2],
      ids: 2,
      column: [0.1, 0.2],
      classes: [
        ['0.900000:0', '0.100000:1'],
        ['0.700000:1', '0.300000:0'],
      ],
      subset: true,
      otherTypes: [0.1],
      half: [0.1],
      parameters: [0.1],
      id: 'r-1',
      version: '3',
      inexact: expect.stringMatching(/input 'minute': element 0 is 0.5 of FP32, and the column's type int32 takes/),
      unknown: expect.stringMatching(/404|NOT_FOUND.*Request for unknown model: 'no-such-model' is not found/),
      unknownVersion: expect.stringContaining(`Request for unknown model: '${model}' version 99 is not found`),
      missing: expect.stringContaining(
        `got 1 inputs for model '${model}'. Got input(s) ['minute'], but missing required input(s) ['flight_id','seats','distance','hub']. Please provide all required input(s).`,
      ),
      unknownOutput: expect.stringContaining(`unexpected inference output 'OUT' for model '${model}'`),
      load: expect.stringMatching(/(UNIMPLEMENTED|501).*a version goes live by its rollout/),
      sharedMemory: expect.stringMatching(/(UNIMPLEMENTED|501).*not in shared memory/),
      expired: expect.stringMatching(/(UNAVAILABLE|503).*Request timeout expired/),
      metadata: [
        ['flight_id', 'BYTES'],
        ['minute', 'INT32'],
        ['seats', 'INT64'],
        ['distance', 'FP64'],
        ['hub', 'BOOL'],
        ['at', 'INT64'],
      ].map(([name, datatype]) => [name, datatype, protocol === 'grpc' ? ['-1', '1'] : [-1, 1]]),
      extensions: ['classification', 'schedule_policy', 'model_configuration', 'binary_tensor_data', 'statistics'],
      config: [1_000, ['STRING', 'INT32', 'INT64', 'FP64', 'BOOL', 'INT64'].map((type) => `TYPE_${type}`)],
      index: [
        [rollingOut, '3', 'READY'],
        [rollingOut, '4', 'READY'],
      ],
    });
    expect(got[protocol]!['success']).toBeGreaterThanOrEqual(6);
    expect(got[protocol]!['fail']).toBeGreaterThanOrEqual(4);
  });

  it('over gRPC: compressed, from two versions at once, and in streams that an error does not end', () => {
    const { stream, ...other } = got.grpc;
    expect(other).toMatchObject({ gzip: [0.1], mixedVersions: ['3', '4'] });
    const others = Array.from({ length: 20 }, (_, i) => i).filter((i) => i !== 7);
    expect(stream).toEqual({
      ids: others.map(String),
      values: others.map((i) => i / 1_000),
      errors: ["Request for unknown model: 'no-such-model' is not found"],
      final: true,
    });
  });

  it('over HTTP: in binary and in JSON, compressed both ways, and as a raw binary request', () => {
    expect(got.http).toMatchObject({ binary: true, json: [0.1], gzip: [[0.1], [0.1]], async: [0.3], raw: [0.25] });
  });

  it('with asyncio, over both', () => {
    const values = Array.from({ length: 10 }, (_, i) => i / 1_000);
    expect(got.aio).toEqual({
      grpc: values,
      stream: Array.from(values, (_, i) => String(i)),
      http: values,
      ready: true,
    });
  });
});

it("KServe's client works unchanged, over REST in JSON and in binary, and over gRPC", async () => {
  const got = await python('python-kserve', 'requirements-kserve.lock', 'kserve_client.py', bench.model);
  const answered = { live: true, ready: true, modelReady: true, id: 'from-kserve' };
  expect(got).toEqual({
    rest: {
      ...answered,
      unknownReady: false,
      json: [0.1, 0.2],
      binary: [0.1, 0.2],
      unknown: expect.stringMatching(/^404 Request for unknown model: 'no-such-model' is not found/),
    },
    grpc: { ...answered, values: [0.1, 0.2] },
  });
}, 600_000);
