import { beforeEach, describe, expect, it } from '@jest/globals';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { anyEndpoint, FakeTensorRunner, tried, two } from '../../test/fake-tensors.js';
import { candidateVersion, FakeFeatures, FakeLog, FakeRunner, flights, plan, version } from '../../test/fakes.js';
import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { Candidate } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { fromMessage, toMessage } from '../inbound/infer-message.js';
import { endpointOf, type LiveEndpoint } from './arms.js';
import { CachedRunner } from './cached-scores.js';
import { CachedTensorRunner } from './cached-tensors.js';
import { Mirror } from './mirror.js';
import { Predictor } from './predictor.js';
import { ResponseCache } from './response-cache.js';
import type { TensorEndpoint } from './tensor-endpoint.js';
import { TensorMirror } from './tensor-mirror.js';
import { TensorPredictor } from './tensor-predictor.js';

const policy = { ttlMs: 30_000, maxEntries: 100 };
const caching = { ...plan, cache: policy };
const live = endpointOf(caching, version);

let looked: [string, number, number][];
let runner: FakeRunner;
let log: FakeLog;
let features: FakeFeatures;
let predictor: Predictor;
let mirror: Mirror;

beforeEach(() => {
  looked = [];
  [runner, log, features] = [new FakeRunner(), new FakeLog(), new FakeFeatures()];
  mirror = new Mirror(runner, log, 100);
  predictor = new Predictor(features, runner, log, mirror, 10, new CachedRunner(runner, cacheOf()));
});

function cacheOf(): ResponseCache {
  const observer = {
    looked: (endpoint: string, hits: number, misses: number) => void looked.push([endpoint, hits, misses]),
    evicted: () => {},
  };
  return new ResponseCache(1_000_000, observer, () => 0);
}

async function infer(request: object, endpoint: LiveEndpoint = live): Promise<number[]> {
  const message = ModelInferRequest.fromPartial({ modelName: 'late', ...request });
  const answer = await predictor.infer(endpoint, fromMessage(endpoint, message), 'tester', Infinity);
  const raw = toMessage(answer).rawOutputContents[0]!;
  return Array.from({ length: raw.length / 4 }, (_, i) => raw.readFloatLE(i * 4));
}

const given = (...cells: number[]) => ({
  inputs: [{ name: 'features', datatype: 'FP32', shape: [cells.length / 2, 2] }],
  rawInputContents: [Buffer.from(Float32Array.from(cells).buffer)],
});
const cached = () => log.kept.map(({ prediction }) => prediction.cached);
const rowsRun = () => runner.runs.map(({ rows }) => rows);

describe('an endpoint with a response cache', () => {
  it('answers the same content again without a run, after the features were looked up, and each answer is in the log', async () => {
    const first = await infer(flights('a', 'b'));
    expect(await infer(flights('c', 'd'))).toEqual(first);
    expect([features.questions, rowsRun()]).toEqual([2, [2]]);
    expect(cached()).toEqual([false, false, true, true]);
    expect(log.kept.map(({ prediction }) => prediction.joinKey)).toEqual(['a', 'b', 'c', 'd']);
    expect(looked).toEqual([
      ['late', 0, 2],
      ['late', 2, 0],
    ]);
  });

  it('runs of one request those rows that it does not know, and puts all in their places', async () => {
    await infer(given(10, 1, 30, 1));
    expect(await infer(given(20, 1, 30, 1, 40, 1, 10, 1))).toEqual([0.2, 0.3, 0.4, 0.1].map(Math.fround));
    expect(runner.runs[1]).toMatchObject({ rows: 2, input: [20, 1, 40, 1] });
    expect(cached()).toEqual([false, false, false, true, false, true]);
  });

  it('tells vectors apart by their bits: -0 from 0, one NaN from another', async () => {
    const input = (bits: number) => Buffer.from(new Uint32Array([bits, 0]).buffer);
    const inputs = [{ name: 'features', datatype: 'FP32', shape: [1, 2] }];
    runner.special.set('live', async (rows) => new Float32Array(rows));
    for (const bits of [0, 0x80000000, 0x7fc00000, 0x7fc00001])
      await infer({ inputs, rawInputContents: [input(bits)] });
    expect(rowsRun()).toEqual([1, 1, 1, 1]);
    for (const bits of [0, 0x80000000, 0x7fc00000, 0x7fc00001])
      await infer({ inputs, rawInputContents: [input(bits)] });
    expect(rowsRun()).toHaveLength(4);
  });

  it('a wide vector is told apart in its last cell', async () => {
    const names = Array.from({ length: 1_000 }, (_, i) => `f${i}`);
    const wide = endpointOf({ ...caching, features: names }, { ...version, features: names });
    const ask = (last: number) =>
      infer(
        {
          inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 1_000] }],
          rawInputContents: [Buffer.from(new Float32Array(1_000).fill(last, 999).buffer)],
        },
        wide,
      );
    for (const last of [1, 2, 1, 2]) await ask(last);
    expect(rowsRun()).toEqual([1, 1]);
  });

  it('never answers a version by what another one said', async () => {
    await infer(given(10, 1));
    runner.special.set('b', async (rows) => new Float32Array(rows).fill(0.75));
    expect(await infer(given(10, 1), endpointOf(caching, { ...candidateVersion }))).toEqual([0.75]);
    expect(await infer(given(10, 1))).toEqual([Math.fround(0.1)]);
    expect(rowsRun()).toEqual([1, 1]);
  });

  it('keeps nothing of a run that failed or said no number', async () => {
    runner.special.set('live', async () => {
      throw new MillraceError('unavailable', 'away');
    });
    await expect(infer(given(10, 1))).rejects.toThrow('away');
    runner.special.set('live', async () => Float32Array.of(Number.NaN));
    await infer(given(10, 1));
    runner.special.clear();
    expect(await infer(given(10, 1))).toEqual([Math.fround(0.1)]);
    expect(cached()).toEqual([false, false]);
  });

  it('rows of a canary have answers of their own, and those that it fails are run by the live version', async () => {
    const candidate = Candidate.fromPartial({ version: candidateVersion, rolloutId: 'r', step: 1, percent: 100 });
    const both = endpointOf(caching, version, candidate);
    runner.special.set('canary', async (rows) => new Float32Array(rows).fill(0.75));
    await infer(flights('a'), both);
    expect(await infer(flights('a'), both)).toEqual([0.75]);
    expect(cached()).toEqual([false, true]);
    runner.special.set('canary', async () => {
      throw new MillraceError('internal', 'broken');
    });
    // The first row would be a hit of the canary; with the second one it fails, and both are run by the live version.
    expect(await infer(flights('a', 'b'), both)).toEqual([0.1, 0.2].map(Math.fround));
    expect(cached().slice(2)).toEqual([false, false]);
  });

  it('a shadow is run for every row', async () => {
    const candidate = Candidate.fromPartial({ version: candidateVersion, rolloutId: 'r', step: 1, mirror: true });
    const both = endpointOf(caching, version, candidate);
    for (let i = 0; i < 3; i++) await infer(flights('a'), both);
    await mirror.stop(1_000);
    expect(runner.runs.filter(({ lane }) => lane === 'shadow').reduce((sum, { rows }) => sum + rows, 0)).toBe(3);
    expect(runner.runs.filter(({ lane }) => lane === 'live')).toHaveLength(1);
  });

  it('without one, every row is run and nothing is looked for', async () => {
    for (let i = 0; i < 2; i++) await infer(given(10, 1), endpointOf(plan, version));
    const told = log.packed.map(({ shared }) => shared.cached);
    expect([rowsRun(), looked, told]).toEqual([[1, 1], [], [false, false]]);
  });
});

describe('a model of any kind with a response cache', () => {
  const withCache = (endpoint: TensorEndpoint): TensorEndpoint => ({
    ...endpoint,
    plan: { ...endpoint.plan, cache: policy },
  });

  function setUp() {
    const tensorRunner = new FakeTensorRunner();
    const limits = { maxRequestBytes: 1_000, maxBytesInFlight: 1_000 };
    const shadows = new TensorMirror(tensorRunner, log, 10, 1_000);
    const cachedRunner = new CachedTensorRunner(tensorRunner, cacheOf());
    const tensors = new TensorPredictor(tensorRunner, log, shadows, limits, () => 0, cachedRunner);
    const ask = async (endpoint: TensorEndpoint, request: object) => {
      const message = ModelInferRequest.fromPartial({ modelName: 'any', ...request });
      return toMessage(await tensors.infer(endpoint, fromMessage(endpoint, message), 'tester', Infinity));
    };
    return { tensorRunner, ask };
  }

  it('answers the same inputs again without a run, and tells apart bytes, outputs and versions', async () => {
    const { tensorRunner, ask } = setUp();
    const endpoint = withCache(anyEndpoint);
    const first = await ask(endpoint, two);
    const again = await ask(endpoint, two);
    expect(again.rawOutputContents).toEqual(first.rawOutputContents);
    expect(again.parameters['prediction_id']).not.toEqual(first.parameters['prediction_id']);
    expect([tensorRunner.runs.length, cached()]).toEqual([1, [false, true]]);
    const others = [Buffer.from('00380041', 'hex'), ...two.rawInputContents.slice(1)];
    await ask(endpoint, { ...two, rawInputContents: others });
    await ask(endpoint, { ...two, outputs: [{ name: 'kept' }] });
    await ask(withCache(tried(100)), two);
    expect(tensorRunner.runs.map((run) => run.version)).toEqual(['1', '1', '1', '2']);
    expect(cached().slice(2)).toEqual([false, false, false]);
  });
});
