import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  GRPCInferenceServiceService,
  type ModelInferRequest,
  type ModelInferResponse,
  ModelInferResponse as Response,
  type ModelMetadataRequest,
  type ModelMetadataResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { MillraceError } from '#libs/errors/millrace-error.js';
import { rawInputs } from '#libs/tensors/raw-tensor.js';
import { until } from '#libs/testing/until.js';
import { FakeTensorRunner, mixed } from '../../test/fake-tensors.js';
import { mixedTensors, tensorRunnerContract } from '../../test/tensor-runner.contract.js';
import { LateRequest } from '../domain/late-request.js';
import type { RunLane } from '../domain/ports.js';
import { UpstreamRunner } from './upstream.runner.js';

/** A server elsewhere, with the mixed model; `answers` says what it does instead. */
let answers: ((request: ModelInferRequest, done: sendUnaryData<ModelInferResponse>) => void) | undefined;
let described: Partial<ModelMetadataResponse> | undefined;
let asked: { authorization: unknown; request: ModelInferRequest }[] = [];
const fake = new FakeTensorRunner();
const server = new Server();
let address: string;
let runner: UpstreamRunner;
let contracted: UpstreamRunner | undefined;

async function computed(request: ModelInferRequest): Promise<ModelInferResponse> {
  const tensors = rawInputs(request.modelName, request.inputs, request.rawInputContents);
  const outputs = request.outputs.map(({ name }) => name).toReversed(); // its own order, not the one asked for
  const version = ModelVersion.fromPartial({ version: '1' });
  const given = await fake.run({ version, tensors, outputs, lane: 'live', trace: undefined });
  const heads = given.map(({ name, datatype, shape }) => ({ name, datatype, shape: [...shape] }));
  return Response.fromPartial({ outputs: heads, rawOutputContents: given.map(({ data }) => data) });
}

beforeAll(async () => {
  server.addService(GRPCInferenceServiceService, {
    modelInfer: (
      call: ServerUnaryCall<ModelInferRequest, ModelInferResponse>,
      done: sendUnaryData<ModelInferResponse>,
    ) => {
      asked.push({ authorization: call.metadata.get('authorization')[0], request: call.request });
      if (answers !== undefined) return answers(call.request, done);
      computed(call.request).then(
        (response) => done(null, response),
        (error: Error) => done({ code: status.INVALID_ARGUMENT, details: error.message }),
      );
    },
    modelMetadata: (
      { request }: ServerUnaryCall<ModelMetadataRequest, ModelMetadataResponse>,
      done: sendUnaryData<ModelMetadataResponse>,
    ) => {
      const own = { inputs: [...mixed.inputs], outputs: [...mixed.outputs] };
      done(null, { name: request.name, versions: [], platform: '', ...own, ...described });
    },
  } as never);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  address = `127.0.0.1:${port}`;
});
beforeEach(() => {
  answers = undefined;
  described = undefined;
  asked = [];
  runner = new UpstreamRunner({ addresses: [address], timeoutMs: 500, maxMessageBytes: 10_000 });
});
afterEach(() => runner.close());
afterAll(() => {
  contracted?.close();
  server.forceShutdown();
});

const version = (more: object = {}) =>
  ModelVersion.fromPartial({ model: 'any', version: '1', upstream: { address, model: 'elsewhere', ...more } });
const run = (lane: RunLane = 'live', of = version(), untilMs = Infinity) =>
  runner.run({ version: of, tensors: mixedTensors, outputs: ['total'], lane, trace: undefined, untilMs });
const failing = (code: status, details: string) => (_: ModelInferRequest, done: sendUnaryData<ModelInferResponse>) =>
  done({ code, details });

tensorRunnerContract('the fake', async () => ({ runner: fake, version: version() }));
tensorRunnerContract('a server elsewhere', async () => {
  contracted = new UpstreamRunner({ addresses: [address], timeoutMs: 5_000, maxMessageBytes: 10_000 });
  return { runner: contracted, version: version() };
});

describe('a server elsewhere', () => {
  it('is asked by its own name of the model, and never sees our token', async () => {
    await run('live', version({ version: '7' }));
    expect(asked).toMatchObject([{ authorization: undefined, request: { modelName: 'elsewhere', modelVersion: '7' } }]);
  });

  it('is never called where its address is not allowed', async () => {
    const elsewhere = version({ address: '127.0.0.1:1' });
    const refused = {
      code: 'failed-precondition',
      message: expect.stringContaining('is not one of UPSTREAM_ADDRESSES'),
    };
    await expect(run('live', elsewhere)).rejects.toMatchObject(refused);
    await expect(runner.prepare(elsewhere)).rejects.toMatchObject(refused);
  });

  it.each([
    [status.INVALID_ARGUMENT, 'invalid-argument'],
    [status.DEADLINE_EXCEEDED, 'deadline-exceeded'],
    [status.NOT_FOUND, 'unavailable'],
    [status.INTERNAL, 'unavailable'],
    [status.UNAUTHENTICATED, 'unavailable'],
  ])('that says %d is %s', async (code, ours) => {
    answers = failing(code, 'its words');
    await expect(run()).rejects.toMatchObject({ code: ours, message: 'upstream: its words' });
  });

  it('that does not answer is late', async () => {
    answers = () => undefined;
    await expect(run()).rejects.toMatchObject({ code: 'deadline-exceeded' });
  });

  it('is called with what the caller has left, and not at all where that is nothing', async () => {
    await expect(run('live', version(), Date.now())).rejects.toBeInstanceOf(LateRequest);
    expect(asked).toEqual([]);
    answers = () => undefined;
    const startedMs = performance.now();
    await expect(run('live', version(), Date.now() + 50)).rejects.toMatchObject({ code: 'deadline-exceeded' });
    expect(performance.now() - startedMs).toBeLessThan(400);
  });

  it('is not left alone for callers in a hurry, until it has answered nobody for as long as it may take', async () => {
    const hurried = () => run('live', version(), Date.now() + 20).catch((error: MillraceError) => error.message);
    answers = () => undefined;
    const words = new Set<unknown>();
    for (let i = 0; i < 10; i++) words.add(await hurried());
    expect([...words].some((said) => String(said).includes('is away'))).toBe(false);
    await until(async () => String(await hurried()).includes("upstream model 'elsewhere' is away"));
  });

  it.each([
    [
      'too much',
      { outputs: [{ name: 'total', datatype: 'FP64', shape: [2_000] }], rawOutputContents: [Buffer.alloc(16_000)] },
    ],
    ['without the output', { outputs: [], rawOutputContents: [] }],
    [
      'not as many bytes',
      { outputs: [{ name: 'total', datatype: 'FP64', shape: [2] }], rawOutputContents: [Buffer.alloc(3)] },
    ],
    [
      'of no known datatype',
      { outputs: [{ name: 'total', datatype: 'X', shape: [1] }], rawOutputContents: [Buffer.alloc(1)] },
    ],
  ])('that answers %s is unavailable', async (_, response) => {
    answers = (_request, done) => done(null, Response.fromPartial(response));
    await expect(run()).rejects.toMatchObject({ code: 'unavailable' });
  });

  it.each([
    [{ inputs: [] }, 'names no inputs or no outputs'],
    [{ outputs: [{ name: 'x', datatype: 'COMPLEX', shape: [1] }] }, `of 'x': datatype "COMPLEX"`],
    [
      { outputs: Array.from({ length: 300 }, (_, i) => ({ name: `o${i}`, datatype: 'FP32', shape: [1] })) },
      'more than 256',
    ],
  ])('is not served by metadata that cannot be: %#', async (metadata, words) => {
    described = metadata;
    await expect(runner.prepare(version())).rejects.toThrow(words);
  });

  it('that is away is left alone for a while, for the candidate apart from the live version', async () => {
    answers = failing(status.UNAVAILABLE, 'away');
    for (let i = 0; i < 6; i++) await expect(run()).rejects.toMatchObject({ code: 'unavailable' });
    const before = asked.length;
    await expect(run()).rejects.toThrow("upstream model 'elsewhere' is away");
    expect(asked).toHaveLength(before);
    answers = undefined;
    expect((await run('canary')).map(({ name }) => name)).toEqual(['total']);
  });

  it('that refuses requests is not left alone for it', async () => {
    answers = failing(status.INVALID_ARGUMENT, 'wrong');
    for (let i = 0; i < 10; i++) await expect(run()).rejects.toThrow('upstream: wrong');
    expect(asked).toHaveLength(10);
  });
});
