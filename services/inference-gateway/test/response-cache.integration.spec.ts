import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { GRPCInferenceServiceClient, ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { token } from '#libs/testing/service-process.js';
import { untilServed } from '#libs/testing/told-registry.js';
import { fixture, type LoggedStack, startLoggedStack } from './logged-stack.js';
import { loggedPredictions } from './logged-predictions.js';

const endpoint = `cached-${randomUUID().slice(0, 8)}`;
let stack: LoggedStack;
let peer: Peer<GRPCInferenceServiceClient>;

beforeAll(async () => {
  stack = await startLoggedStack({
    models: { [endpoint]: fixture('binary') },
    workers: 1,
    endpoint: { cache: { ttlMs: 60_000, maxEntries: 1_000 } },
  });
  peer = new Peer(GRPCInferenceServiceClient, 'gateway', stack.gateway.grpcAddress, token);
}, 120_000);

afterAll(async () => {
  peer?.close();
  await stack?.stop();
}, 60_000);

interface Answered {
  readonly version: string;
  readonly id: string;
  readonly score: number;
}

async function ask(...cells: number[]): Promise<Answered> {
  const request = ModelInferRequest.fromPartial({
    modelName: endpoint,
    inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 3] }],
    rawInputContents: [Buffer.from(Float32Array.from(cells).buffer)],
  });
  const response = await peer.call((stub) => stub.modelInfer, request, 10_000);
  const id = response.outputs.findIndex(({ name }) => name === 'prediction_id');
  return {
    version: response.modelVersion,
    id: response.rawOutputContents[id]!.toString('utf8', 4),
    score: response.rawOutputContents[0]!.readFloatLE(0),
  };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const runRows = (): Promise<number> => stack.workers[0]!.current.metric('millrace_inference_worker_rows_total');
const vectors = Array.from({ length: 20 }, (_, i) => [i / 10, (i % 7) - 3, (i % 5) / 10]);

it('an endpoint with a response cache answers the same content by the same score without a run, each in the log as what it is, and a new live version by its own', async () => {
  const answers: Answered[][] = [];
  for (let round = 0; round < 3; round++) answers.push(await Promise.all(vectors.map((cells) => ask(...cells))));
  const [first, ...again] = answers;
  for (const round of again) expect(round.map(({ score }) => score)).toEqual(first!.map(({ score }) => score));
  expect(await runRows()).toBe(20);

  await stack.goLive(endpoint, '2', fixture('labelled-regression'));
  await untilServed(stack.gateway.httpUrl, [`${endpoint}/versions/2`]);
  const second = await Promise.all(vectors.map((cells) => ask(...cells)));
  for (const [i, { version, score }] of second.entries()) {
    const [a, b, c] = vectors[i] as [number, number, number];
    expect(version).toBe('2');
    expect(score).toBeCloseTo(0.5 * a - b + 2 * c, 5);
  }
  expect(await runRows()).toBe(40);

  const all = [...answers.flat(), ...second];
  const logged = await loggedPredictions(endpoint, new Set(all.map(({ id }) => id)));
  const rows = new Map(logged.map((row) => [row.prediction_id, row]));
  expect(rows.size).toBe(80);
  for (const { id, version, score } of all)
    expect([rows.get(id)!.model_version, Math.fround(rows.get(id)!.score)]).toEqual([version, score]);
  const isCached = (round: readonly Answered[]) => new Set(round.map(({ id }) => rows.get(id)!.cached));
  expect([first!, ...again, second].map(isCached)).toEqual([
    new Set([false]),
    new Set([true]),
    new Set([true]),
    new Set([false]),
  ]);
  const waited = (cached: boolean) => median(logged.filter((row) => row.cached === cached).map((row) => row.infer_us));
  expect(waited(true)).toBeLessThan(waited(false));
  const looks = await stack.gateway.current.metric('millrace_inference_gateway_cache_looks_total');
  expect(looks).toBe(80);
  expect(await stack.gateway.current.metric('millrace_inference_gateway_cache_entries')).toBe(40);
}, 90_000);
