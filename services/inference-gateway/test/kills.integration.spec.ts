import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import {
  GRPCInferenceServiceClient,
  type ModelInferResponse,
  ModelInferRequest,
  type ModelStreamInferResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { type ErrorCode, MillraceError } from '#libs/errors/millrace-error.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { fromServiceError } from '#libs/rpc/status.js';
import { token } from '#libs/testing/service-process.js';
import { fixture, type LoggedStack, startLoggedStack } from './logged-stack.js';
import { randomOf } from './random.js';

const kills = 20;
const seed = Number(process.env['KILL_SEED'] ?? 20260612);
const unaryCallers = 16;
const streams = 3;
const endpoint = `kills-${randomUUID().slice(0, 8)}`;
/** What a caller allows one prediction to take, retries and all. */
const budgetMs = 30_000;

interface Asked {
  readonly vector: readonly number[];
  broken: number;
  predictionId?: string;
  score?: number;
}

/** By request id. */
const history = new Map<string, Asked>();
const refusals = new Map<string, number>();
let stack: LoggedStack;
const stop = new AbortController();
let next = 0;

beforeAll(async () => {
  stack = await startLoggedStack({ models: { [endpoint]: fixture('binary') }, workers: 2 });
}, 120_000);

afterAll(async () => {
  await stack.stop();
}, 60_000);

function ask(): { requestId: string; asked: Asked; request: ModelInferRequest } {
  const n = next++;
  const asked: Asked = { vector: [(n % 997) / 100, (n % 13) - 6, ((n % 31) - 15) / 10].map(Math.fround), broken: 0 };
  const requestId = `${endpoint}-${n}`;
  history.set(requestId, asked);
  const request = ModelInferRequest.fromPartial({
    modelName: endpoint,
    id: requestId,
    inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 3] }],
    rawInputContents: [Buffer.from(Float32Array.from(asked.vector).buffer)],
  });
  return { requestId, asked, request };
}

function answered(asked: Asked, response: ModelInferResponse): void {
  const raw = (name: string) => response.rawOutputContents[response.outputs.findIndex((one) => one.name === name)]!;
  asked.score = raw('probability').readFloatLE(0);
  asked.predictionId = raw('prediction_id').toString('utf8', 4);
}

/** A call that broke may have been answered into the void; anything but UNAVAILABLE is told. */
async function broke(asked: Asked, error: unknown): Promise<void> {
  const { code, message } = error instanceof MillraceError ? error : fromServiceError(error, 'gateway');
  if (code !== 'unavailable') refusals.set(`${code}: ${message}`, (refusals.get(`${code}: ${message}`) ?? 0) + 1);
  asked.broken += 1;
  await sleep(50);
}

async function callUnary(): Promise<void> {
  const peer = new Peer(GRPCInferenceServiceClient, 'gateway', stack.gateway.grpcAddress, token);
  while (!stop.signal.aborted) {
    const { asked, request } = ask();
    for (const endMs = Date.now() + budgetMs; asked.predictionId === undefined && Date.now() < endMs;)
      await peer
        .call((stub) => stub.modelInfer, request, 10_000)
        .then(
          (response) => answered(asked, response),
          (error: unknown) => broke(asked, error),
        );
  }
  peer.close();
}

/** An answer of a stream has words and no code. */
function codeOf(words: string): ErrorCode {
  return /^(inference-worker|no inference worker|Request for unavailable model)/.test(words)
    ? 'unavailable'
    : 'internal';
}

/** Ten at a time over one stream; when it breaks, those without an answer are asked again over the next. */
async function callStream(): Promise<void> {
  const peer = new Peer(GRPCInferenceServiceClient, 'gateway', stack.gateway.grpcAddress, token);
  while (!stop.signal.aborted) {
    const batch = Array.from({ length: 10 }, ask);
    for (const endMs = Date.now() + budgetMs; Date.now() < endMs;) {
      const open = batch.filter(({ asked }) => asked.predictionId === undefined);
      if (open.length === 0) break;
      const error = await overStream(peer, open);
      const left = open.filter(({ asked }) => asked.predictionId === undefined);
      if (error !== undefined) await Promise.all(left.map(({ asked }) => broke(asked, error)));
    }
  }
  peer.close();
}

/** @returns what the stream broke with */
function overStream(peer: Peer<GRPCInferenceServiceClient>, open: readonly ReturnType<typeof ask>[]): Promise<unknown> {
  return new Promise((resolve) => {
    const stream = peer.stub.modelStreamInfer(peer.metadata);
    let refused: MillraceError | undefined;
    stream.on('data', ({ inferResponse, errorMessage }: ModelStreamInferResponse) => {
      const one = open.find(({ requestId }) => requestId === inferResponse?.id);
      if (errorMessage !== '') refused = new MillraceError(codeOf(errorMessage), errorMessage);
      else if (one !== undefined) answered(one.asked, inferResponse!);
    });
    stream.on('error', resolve);
    stream.on('end', () => resolve(refused));
    for (const { request } of open) stream.write(request);
    stream.end();
  });
}

async function killAll(): Promise<string[]> {
  const random = randomOf(seed);
  const victims = [stack.gateway, ...stack.workers];
  const names = ['gateway', 'worker 1', 'worker 2'];
  const killed: string[] = [];
  while (killed.length < kills) {
    await sleep(50 + random(600));
    // Each is a victim at least twice, whatever the seed.
    const at = killed.length < 6 ? killed.length % 3 : random(3);
    await victims[at]!.kill('SIGKILL');
    killed.push(names[at]!);
    await victims[at]!.start();
  }
  return killed;
}

it('kill -9 of gateway and worker under load: every answered prediction is once in the log, no answer is wrong, clients see only UNAVAILABLE and succeed on retry.', async () => {
  const callers = [...Array.from({ length: unaryCallers }, callUnary), ...Array.from({ length: streams }, callStream)];
  const killed = await killAll();
  stop.abort();
  await Promise.all(callers);
  const words = `seed ${seed}, killed ${killed.join(', ')}`;

  expect({ words, refusals: [...refusals] }).toEqual({ words, refusals: [] });
  const unanswered = [...history].filter(([, { predictionId }]) => predictionId === undefined);
  expect({ words, unanswered }).toEqual({ words, unanswered: [] });
  expect(history.size).toBeGreaterThan(1_000);
  expect([...history.values()].some(({ broken }) => broken > 0)).toBe(true);
  for (const { vector, score } of history.values()) {
    const [a, b, c] = vector as [number, number, number];
    expect(score).toBeCloseTo(1 / (1 + Math.exp(-(0.5 * a - b + 2 * c))), 5);
  }
  await checkLog(words);
}, 240_000);

interface Row {
  prediction_id: string;
  request_id: string;
  features: number[];
  score: number;
}

async function checkLog(words: string): Promise<void> {
  const clickhouse = createClient({ url: getTestInfrastructure().CLICKHOUSE_URL });
  const query = `SELECT prediction_id, request_id, features, score FROM monitoring.predictions WHERE endpoint = {endpoint: String}`;
  const read = async (): Promise<Row[]> =>
    (await clickhouse.query({ query, query_params: { endpoint }, format: 'JSONEachRow' })).json<Row>();
  const answers = new Map([...history].map(([requestId, { predictionId }]) => [predictionId!, requestId]));
  let rows: Row[] = [];
  const missing = async (): Promise<string[]> => {
    rows = await read();
    const logged = new Set(rows.map((row) => row.prediction_id));
    return [...answers.keys()].filter((id) => !logged.has(id)).sort();
  };
  let lost = await missing();
  for (const endMs = Date.now() + 60_000; lost.length > 0 && Date.now() < endMs; lost = await missing())
    await sleep(200);
  const [first, last] = [lost[0], lost.at(-1)];
  expect({ words, lost: { count: lost.length, first, last } }).toEqual({ words, lost: { count: 0 } });
  await sleep(2_000); // what comes twice would come now
  rows = await read();
  await clickhouse.close();

  expect({ words, ids: new Set(rows.map((row) => row.prediction_id)).size }).toEqual({ words, ids: rows.length });
  const loggedOf = new Map<string, number>();
  for (const { prediction_id: id, request_id: requestId, features, score } of rows) {
    const asked = history.get(requestId);
    if (asked === undefined) throw new Error(`${words}: ${requestId} is in the log and was never asked`);
    loggedOf.set(requestId, (loggedOf.get(requestId) ?? 0) + 1);
    expect(features).toEqual(asked.vector.map((value) => expect.closeTo(value, 5)));
    if (answers.has(id)) expect([answers.get(id), Math.fround(score)]).toEqual([requestId, asked.score]);
  }
  // One for the answer, and at most one for each call that broke before its answer came.
  for (const [requestId, { broken }] of history) {
    expect(loggedOf.get(requestId)).toBeGreaterThanOrEqual(1);
    expect(loggedOf.get(requestId)).toBeLessThanOrEqual(1 + broken);
  }
}
