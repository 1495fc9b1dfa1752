import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { GRPCInferenceServiceClient, ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { type Judgement, MonitorClient } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { Logger } from '#libs/telemetry/logger.js';
import { token } from '#libs/testing/service-process.js';
import { fixture, type LoggedStack, startLoggedStack } from './logged-stack.js';

const id = randomUUID().slice(0, 8);
/** A candidate that is the live version again, and one that takes its worker with it where the first feature is 1000, which no check of a model on zeros sees. */
const [equal, deadly] = [`equal-${id}`, `deadly-${id}`];
const kills = 6;
const callers = 6;

let stack: LoggedStack;
let registry: KafkaMessageLog;
let deaths = 0;
const stopped = new AbortController();
let supervising: Promise<void>;

beforeAll(async () => {
  const { KAFKA_BROKERS: brokers } = getTestInfrastructure();
  stack = await startLoggedStack({
    models: { [equal]: fixture('binary'), [deadly]: fixture('binary') },
    candidates: {
      [equal]: { file: fixture('binary'), rolloutId: equal },
      [deadly]: { file: fixture('deadly'), rolloutId: deadly },
    },
    workers: 1,
    gatewaySettings: { WORKER_TIMEOUT_MS: '8000' }, // a worker that has just begun may be slow, and is there
  });
  registry = new KafkaMessageLog('registry', brokers.split(','), new Wiring(), new Logger('registry', 'error'));
  await registry.publisher('rolloutsChanged').publish([equal, deadly].map((name) => rolloutOf(name, 'canary')));
  supervising = supervise();
}, 120_000);

afterAll(async () => {
  await registry?.publisher('rolloutsChanged').publish([equal, deadly].map((name) => rolloutOf(name, 'aborted')));
  await registry?.close();
  stopped.abort();
  await supervising;
  await stack?.stop();
}, 60_000);

function rolloutOf(endpoint: string, state: string) {
  const rollout = Rollout.fromPartial({
    rolloutId: endpoint,
    endpoint,
    model: endpoint,
    state,
    generation: 1,
    candidate: { version: '2' },
    baseline: { version: '1' },
    steps: [{ kind: 'canary', percent: 50, predictions: 1_000_000 }],
    guardrailsJson: Buffer.from(JSON.stringify({ alpha: 0.05, errors: { margin: 0.01 } })),
  });
  return { key: Buffer.from(endpoint), value: Buffer.from(Rollout.encode(rollout).finish()), headers: {} };
}

/** Starts the worker again whenever it is gone, as what runs it does. */
async function supervise(): Promise<void> {
  const worker = stack.workers[0]!;
  while (!stopped.signal.aborted) {
    await sleep(10);
    if (isAlive(worker.current.pid)) continue;
    deaths += 1;
    await worker.start();
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // ESRCH: there is no such process
  }
}

function request(endpoint: string, key: string, first: number): ModelInferRequest {
  const text = Buffer.from(key);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return ModelInferRequest.fromPartial({
    modelName: endpoint,
    inputs: [
      { name: 'features', datatype: 'FP32', shape: [1, 3] },
      { name: 'id', datatype: 'BYTES', shape: [1] },
    ],
    rawInputContents: [Buffer.from(Float32Array.of(first, 1, 1).buffer), Buffer.concat([length, text])],
  });
}

/** Asks one after the other over so many callers until it is stopped. @returns when each call was answered, or failed */
function load(endpoint: string, first: number): { stop(): Promise<void>; answered: number[]; failed: number[] } {
  const peer = new Peer(GRPCInferenceServiceClient, 'gateway', stack.gateway.grpcAddress, token);
  const [answered, failed]: [number[], number[]] = [[], []];
  const ended = new AbortController();
  let next = 0;
  const call = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      try {
        await peer.call((stub) => stub.modelInfer, request(endpoint, `key-${next++}`, first), 10_000);
        answered.push(Date.now());
      } catch {
        failed.push(Date.now()); // while the worker is away
        await sleep(20);
      }
    }
  };
  const running = Promise.all(Array.from({ length: callers }, call));
  const stop = async (): Promise<void> => {
    ended.abort();
    await running;
    peer.close();
  };
  return { stop, answered, failed };
}

async function eventually<T>(ask: () => Promise<T | undefined>, what: string): Promise<T> {
  for (const untilMs = Date.now() + 90_000; Date.now() < untilMs; await sleep(100)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
  throw new Error(`${what}: not within 90 s`);
}

async function judgements(rolloutId: string): Promise<Judgement[]> {
  const peer = new Peer(MonitorClient, 'monitor', stack.monitor.grpcAddress, token);
  const { judgements } = await peer.call((stub) => stub.getJudgements, { rolloutId, limit: 1_000 }, 10_000);
  peer.close();
  return judgements;
}

/** Rows that failed, by arm and code. */
async function failures(rolloutId: string): Promise<Record<string, number>> {
  const clickhouse = createClient({ url: getTestInfrastructure().CLICKHOUSE_URL });
  const query = `SELECT concat(arm, ' ', code) AS what, toUInt32(count()) AS rows FROM monitoring.prediction_failures
    WHERE rollout_id = {rolloutId: String} GROUP BY what`;
  const result = await clickhouse.query({ query, query_params: { rolloutId }, format: 'JSONEachRow' });
  const rows = await result.json<{ what: string; rows: number }>();
  await clickhouse.close();
  return Object.fromEntries(rows.map((row) => [row.what, row.rows]));
}

it('A worker that is killed while a canary is asked counts for no version, and each row that it failed is in the log.', async () => {
  const calls = load(equal, 1);
  for (let i = 0; i < kills; i++) {
    const [before, answered] = [deaths, calls.answered.length];
    process.kill(stack.workers[0]!.current.pid, 'SIGKILL');
    await eventually(
      async () => (deaths > before && calls.answered.length > answered + 300) || undefined,
      'answers again',
    );
  }
  await calls.stop();
  const rows = calls.answered.length;
  const [newest] = await eventually(async () => {
    const all = await judgements(equal);
    const [{ evidence } = { evidence: [] }] = all;
    return evidence[0] !== undefined && evidence[0].candidateRows + evidence[0].baselineRows >= rows ? all : undefined;
  }, 'a judgement of all rows');
  expect(newest).toMatchObject({ outcome: 'not-yet' });
  expect((await judgements(equal)).filter(({ outcome }) => outcome === 'fail')).toEqual([]);
  const failed = await failures(equal);
  expect(failed['canary worker-away']).toBeGreaterThan(0);
  expect(failed['live worker-away']).toBeGreaterThan(0);
  expect(failed['canary unavailable']).toBeUndefined();
}, 180_000);

it('A candidate that kills its worker is rolled back, and leaves the live version its worker even where it is not', async () => {
  const harmless = load(deadly, 1);
  await eventually(async () => harmless.answered.length > 500 || undefined, 'harmless rows');
  await harmless.stop();
  const before = deaths;
  const calls = load(deadly, 1_000);
  const judged = await eventually(
    async () => (await judgements(deadly)).find(({ outcome }) => outcome === 'fail'),
    'a judgement that it fails',
  );
  // Nobody rolls it back here. It is asked again in half a minute, and the worker is there until then.
  const fromMs = await eventually(
    async () => calls.answered.find((ms) => ms > judged.judgedMs + 3_000),
    'answers again',
  );
  const died = deaths - before;
  await eventually(async () => Date.now() > fromMs + 5_000 || undefined, 'five seconds');
  await calls.stop();
  expect(judged).toMatchObject({ reason: expect.stringMatching(/^errors: .* surely above 0$/) });
  expect(died).toBeGreaterThanOrEqual(3);
  expect(died).toBeLessThanOrEqual(6);
  expect(deaths - before).toBe(died);
  expect(calls.failed.filter((ms) => ms > fromMs)).toEqual([]);
  expect(calls.answered.filter((ms) => ms > fromMs).length).toBeGreaterThan(100);
  const failed = await failures(deadly);
  expect(failed['canary worker-away']).toBeGreaterThan(0);
  expect(failed['canary unavailable']).toBeGreaterThan(0);
}, 180_000);
