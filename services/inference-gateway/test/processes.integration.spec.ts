import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import {
  GRPCInferenceServiceClient,
  ModelInferRequest,
  type ModelInferResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { fromServiceError } from '#libs/rpc/status.js';
import { token } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';
import { loggedPredictions } from './logged-predictions.js';
import { fixture, type LoggedStack, startLoggedStack } from './logged-stack.js';
import { randomOf } from './random.js';

const kills = 6;
const seed = Number(process.env['KILL_SEED'] ?? 20261126);
const callers = 12;
const endpoint = `processes-${randomUUID().slice(0, 8)}`;

/** Prediction id by request id; undefined = not answered yet. */
const history = new Map<string, string | undefined>();
const refusals = new Map<string, number>();
const stop = new AbortController();
let [next, answered, broken] = [0, 0, 0];
let stack: LoggedStack;

beforeAll(async () => {
  const gatewaySettings = { PROCESSES: '2' };
  stack = await startLoggedStack({
    models: { [endpoint]: fixture('binary') },
    workers: 1,
    gatewaySettings,
  });
}, 120_000);

afterAll(async () => {
  stop.abort();
  await stack.stop();
}, 60_000);

/** One caller, over a connection of its own, which is one process's for as long as it lives. */
async function call(): Promise<void> {
  const options = { 'grpc.use_local_subchannel_pool': 1, 'grpc.initial_reconnect_backoff_ms': 50 };
  const stub = new GRPCInferenceServiceClient(stack.gateway.grpcAddress, credentials.createInsecure(), options);
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  while (!stop.signal.aborted) {
    const requestId = `${endpoint}-${next++}`;
    history.set(requestId, undefined);
    const request = ModelInferRequest.fromPartial({
      modelName: endpoint,
      id: requestId,
      inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 3] }],
      rawInputContents: [Buffer.from(Float32Array.of(next % 7, next % 5, 1).buffer)],
    });
    for (const endMs = Date.now() + 30_000; history.get(requestId) === undefined && Date.now() < endMs;) {
      const response = await new Promise<ModelInferResponse | undefined>((resolve) =>
        stub.modelInfer(request, metadata, { deadline: Date.now() + 10_000 }, (error, response) => {
          if (error) refused(error);
          resolve(error ? undefined : response);
        }),
      );
      if (response === undefined) await sleep(50);
      else keep(requestId, response);
    }
  }
  stub.close();
}

function refused(error: unknown): void {
  const { code, message } = fromServiceError(error, 'gateway');
  if (code !== 'unavailable') refusals.set(`${code}: ${message}`, (refusals.get(`${code}: ${message}`) ?? 0) + 1);
  broken += 1;
}

function keep(requestId: string, { outputs, rawOutputContents }: ModelInferResponse): void {
  const raw = rawOutputContents[outputs.findIndex(({ name }) => name === 'prediction_id')]!;
  history.set(requestId, raw.toString('utf8', 4));
  answered += 1;
}

const isReady = async (): Promise<boolean> => (await fetch(`${stack.gateway.httpUrl}/readyz`)).status === 200;

/** Of the gateway's log since its primary was started. */
const told = (event: string) => stack.gateway.current.log.filter((line) => line['event'] === event);

/** @returns how long it was away, and what was answered meanwhile */
async function killOne(number: number): Promise<{ awayMs: number; meanwhile: number }> {
  const { pid } = told('process_forked').findLast((line) => line['number'] === number) as { pid: number };
  const [startedBefore, answeredBefore, killedMs] = [told('process_started').length, answered, Date.now()];
  process.kill(pid, 'SIGKILL');
  await until(() => told('process_started').length > startedBefore, `process ${number} to be back`);
  const meanwhile = answered - answeredBefore;
  const awayMs = Date.now() - killedMs;
  await until(isReady, 'the gateway to be ready');
  return { awayMs, meanwhile };
}

it('Several processes share two addresses: kill -9 of one under load, the others answer, it comes back, every answered prediction is once in the log; with fewer processes what the others had kept is shipped.', async () => {
  const random = randomOf(seed);
  const calling = Array.from({ length: callers }, call);
  const killed: { number: number; awayMs: number; meanwhile: number }[] = [];
  await until(() => answered > 200, 'load');
  const metrics = await metricsText();
  for (const number of ['0', '1'])
    expect(metrics).toMatch(
      new RegExp(`millrace_inference_gateway_predictions_total\\{.*process="${number}".*\\} [1-9]`),
    );
  expect(metrics.match(/^# TYPE millrace_inference_gateway_predictions_total /gm)).toHaveLength(1);
  while (killed.length < kills) {
    const number = killed.length < 2 ? killed.length : random(2);
    killed.push({ number, ...(await killOne(number)) });
    await sleep(50 + random(300));
  }
  const words = `seed ${seed}: ${JSON.stringify(killed)}`;
  expect({ words, silent: killed.filter(({ meanwhile }) => meanwhile === 0) }).toEqual({ words, silent: [] });
  expect(broken).toBeGreaterThan(0);
  expect(await metricsText()).toMatch(
    new RegExp(`millrace_process_restarts_total\\{.*process="primary".*\\} ${kills}`),
  );

  expect(await stack.gateway.kill('SIGTERM')).toBe(0); // all of them drained
  expect(told('process_stopped')).toHaveLength(2);
  await stack.gateway.start();
  const before = answered;
  await until(() => answered > before + 300, 'answers of both processes');

  await stack.gateway.kill('SIGKILL'); // the primary; the others end with it, wherever they are
  await stack.gateway.start({ PROCESSES: '1' });
  await until(() => told('left_over_log_shipped').length === 1, 'the log of the second process to be shipped');
  stop.abort();
  await Promise.all(calling);
  expect({ words, refusals: [...refusals] }).toEqual({ words, refusals: [] });
  expect([...history].filter(([, id]) => id === undefined)).toEqual([]);
  expect(answered).toBeGreaterThan(1_000);
  await checkLog();
}, 240_000);

async function metricsText(): Promise<string> {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${stack.gateway.httpUrl}/metrics`, { headers })).text();
}

async function checkLog(): Promise<void> {
  const ids = new Set([...history.values()].map((id) => id!));
  await loggedPredictions(endpoint, ids);
  await sleep(2_000); // what comes twice would come now
  const rows = await loggedPredictions(endpoint, ids);
  const logged = new Map(rows.map((row) => [row.prediction_id, row.request_id]));
  expect(logged.size).toBe(rows.length);
  for (const [requestId, id] of history) expect(logged.get(id!)).toBe(requestId);
}
