import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type MeshState, writeMeshState } from '#libs/boot/mesh-state.js';
import {
  GRPCInferenceServiceService,
  type ModelInferRequest,
  ModelInferResponse,
  ModelMetadataResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import {
  ListDefinitionsResponse,
  ListModelVersionsResponse,
  RegistryService,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import {
  type InferBatch,
  InferenceWorkerService,
  InferResult,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { encodeStrings, float32Bytes, float32View } from '#libs/tensors/tensor-codec.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { addPredictCommand } from '../src/commands/predict.command.js';
import { addPredictionsCommand } from '../src/commands/predictions.command.js';
import { printedBy } from './printed-by.js';

const token = 'a-token-of-sixteen-and-more';
const address = '127.0.0.1:47199';
const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-explain-'));
const server = new GrpcServer(address, adminGuard('tester', token), new Readiness(), new Logger('test', 'error'), 200);
const doubles = (...values: number[]) => Buffer.from(new Float64Array(values).buffer);
const version = { model: 'm', version: '2', onnxSha256: 'a', backgroundSha256: 'b', features: ['late', 'far'] };
const row = { endpoint: 'e', model: 'm', version: '2', service: 's', score: 0.25, fallback: false };
let logged: Record<string, unknown>[] = [];
let inferred: ModelInferRequest[] = [];
let batches: InferBatch[] = [];
let answer: Partial<InferResult> = {};
const clickhouse = createServer((request, response) => {
  request.resume().on('end', () => response.end(logged.map((one) => `${JSON.stringify(one)}\n`).join('')));
});

beforeAll(async () => {
  const rest = (service: object) => Object.fromEntries(Object.keys(service).map((name) => [name, handle.notBuilt]));
  server.addService(
    GRPCInferenceServiceService,
    {
      ...rest(GRPCInferenceServiceService),
      modelMetadata: handle.unary(async () =>
        ModelMetadataResponse.fromPartial({ name: 'e', inputs: [{ name: 'k', datatype: 'BYTES', shape: [-1, 1] }] }),
      ),
      modelInfer: handle.unary(async (request: ModelInferRequest) => {
        inferred.push(request);
        const output = (name: string, datatype: string) => ({ name, datatype, shape: [1] });
        const outputs = [output('probability', 'FP32'), output('prediction_id', 'BYTES')];
        const raw = [float32Bytes(new Float32Array([0.75])), encodeStrings(['w-1'])];
        if (request.parameters['explain'] !== undefined) {
          outputs.push(output('contributions', 'FP64'), output('base_value', 'FP64'));
          outputs.push(output('contribution_names', 'BYTES'), output('explained_by', 'BYTES'));
          raw.push(doubles(0.5, -2), doubles(1), encodeStrings(['late', 'far']), encodeStrings(['tree-shap']));
        }
        return ModelInferResponse.fromPartial({ modelName: 'e', modelVersion: '2', outputs, rawOutputContents: raw });
      }),
    },
    ['serverLive', 'serverReady'],
  );
  server.addService(RegistryService, {
    ...rest(RegistryService),
    listModelVersions: handle.unary(async () =>
      ListModelVersionsResponse.fromPartial({
        versions: [version, { ...version, version: '1', backgroundSha256: '' }],
      }),
    ),
    listDefinitions: handle.unary(async () => {
      const items = ['far', 'other', 'late'].map((name) => ({ request: [{ name, expression: name }] }));
      const spec = { name: 's', spine: 'x', items };
      return ListDefinitionsResponse.fromPartial({ definitions: [{ specJson: Buffer.from(JSON.stringify(spec)) }] });
    }),
  });
  server.addService(InferenceWorkerService, {
    ...rest(InferenceWorkerService),
    infer: handle.duplex((stream: ServerDuplexStream<InferBatch, InferResult>) => {
      stream.on('data', (batch: InferBatch) => {
        batches.push(batch);
        stream.write({ ...InferResult.create({ batchId: batch.batchId }), ...answer });
      });
      stream.on('end', () => stream.end());
    }),
  });
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  clickhouse.listen(0, '127.0.0.1');
  await once(clickhouse, 'listening');
  const services = Object.fromEntries(
    ['inference-gateway', 'registry', 'inference-worker'].map((name) => [name, { grpc: address, http: '', log: '' }]),
  );
  const clickhouseUrl = `http://127.0.0.1:${(clickhouse.address() as AddressInfo).port}`;
  writeMeshState(folder, { token, services, clickhouseUrl } as unknown as MeshState);
  process.env['MILLRACE_DATA'] = folder;
});
beforeEach(() => {
  [inferred, batches] = [[], []];
  answer = { contributions: doubles(0.5, -2), baseValue: 1, explainedBy: 'tree-shap' };
  logged = [{ ...row, texts: ['7.5', 'nan'] }];
});
afterAll(async () => {
  await server.close();
  clickhouse.close();
  rmSync(folder, { recursive: true });
});

const predict = (...words: string[]): Promise<string> => printedBy(addPredictCommand, 'predict', ...words);
const explain = (...words: string[]): Promise<string> =>
  printedBy(addPredictionsCommand, 'predictions', 'explain', ...words);

describe('millrace predict --explain', () => {
  it('shows what moved the answer, the most first, as bars to either side', async () => {
    expect(await predict('e', 'k=x', '--explain')).toBe(`FEATURE   MOVES IT BY
far       -2.0000       ########################|
late      +0.5000                               |######

e version 2 answered 0.7500: 1.0000 of an average row, moved to -0.5000 by the above (tree-shap)
`);
    expect(JSON.parse(await predict('e', 'k=x', '--explain', '--json'))).toEqual({
      endpoint: 'e',
      version: '2',
      predictionId: 'w-1',
      score: 0.75,
      by: 'tree-shap',
      baseValue: 1,
      margin: -0.5,
      contributions: [
        { feature: 'far', contribution: -2 },
        { feature: 'late', contribution: 0.5 },
      ],
    });
  });

  it('is not asked for by `predict` alone', async () => {
    expect(JSON.parse(await predict('e', 'k=x', '--json'))).toEqual({
      endpoint: 'e',
      version: '2',
      probability: 0.75,
      prediction_id: 'w-1',
    });
    expect(inferred).toMatchObject([{ parameters: {} }]);
  });
});

describe('millrace predictions explain', () => {
  it('explains the logged vector by the version that answered it, and predicts nothing', async () => {
    const lines = (await explain('w-1')).split('\n');
    expect(lines[0]).toMatch(/^FEATURE {3}VALUE {4}MOVES IT BY$/);
    expect(lines[1]).toMatch(/^far {7}- {8}-2\.0000/);
    expect(lines[2]).toMatch(/^late {6}7\.5000 {3}\+0\.5000/);
    expect(batches).toMatchObject([{ explain: true, onnxSha256: 'a', backgroundSha256: 'b', rows: 1, features: 2 }]);
    expect([...float32View(batches[0]!.input)]).toEqual([7.5, Number.NaN]);
    expect(inferred).toEqual([]);
  });

  it('takes what the version reads out of a vector that is logged whole', async () => {
    logged = [{ ...row, texts: ['-inf', '3', '7.5'] }];
    const { contributions } = JSON.parse(await explain('w-1', '--json')) as { contributions: unknown[] };
    expect([...float32View(batches[0]!.input)]).toEqual([7.5, -Infinity]);
    expect(contributions).toHaveLength(2);
  });

  it('says why a prediction cannot be explained', async () => {
    const refusals: [Record<string, unknown>[], RegExp][] = [
      [[], /no prediction w-1 is in the log/],
      [[{ ...row, fallback: true, texts: [] }], /the declared fallback answered it/],
      [[{ ...row, texts: [] }], /its vector was not logged/],
      [[{ ...row, version: '1', texts: ['1', '2'] }], /version 1 was registered without background rows/],
      [[{ ...row, version: '9', texts: ['1', '2'] }], /model m has no version 9/],
      [[{ ...row, texts: ['1'] }], /its feature service s is defined otherwise now/],
    ];
    for (const [rows, message] of refusals) {
      logged = rows;
      await expect(explain('w-1')).rejects.toThrow(message);
    }
    logged = [{ ...row, texts: ['1', '2'] }];
    answer = { errorCode: 'overloaded', errorMessage: 'too many wait' };
    await expect(explain('w-1')).rejects.toThrow(/overloaded: too many wait/);
  });
});
