import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { GRPCInferenceServiceClient, ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { token } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';
import { fixture, type LoggedStack, startLoggedStack } from './logged-stack.js';
import { loggedPredictions } from './logged-predictions.js';

const endpoint = `deadlines-${randomUUID().slice(0, 8)}`;
const deadlineMs = 300;
/** What the clocks, the network and a busy machine may add before a caller hears of it. */
const slackMs = 1_500;
let stack: LoggedStack;
let peer: Peer<GRPCInferenceServiceClient>;

beforeAll(async () => {
  stack = await startLoggedStack({
    models: { [endpoint]: fixture('binary') },
    workers: 1,
    // Far beyond what callers leave: nothing but their deadlines ends a call.
    gatewaySettings: { WORKER_TIMEOUT_MS: '60000' },
  });
  peer = new Peer(GRPCInferenceServiceClient, 'gateway', stack.gateway.grpcAddress, token);
}, 120_000);

afterAll(async () => {
  peer?.close();
  await stack?.stop();
}, 60_000);

const answered = new Set<string>();

async function ask(timeoutMs: number, parameters: object = {}): Promise<void> {
  const request = ModelInferRequest.fromPartial({
    modelName: endpoint,
    inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 3] }],
    rawInputContents: [Buffer.from(Float32Array.of(1, 2, 3).buffer)],
    parameters,
  });
  const response = await peer.call((stub) => stub.modelInfer, request, timeoutMs);
  const at = response.outputs.findIndex(({ name }) => name === 'prediction_id');
  answered.add(response.rawOutputContents[at]!.toString('utf8', 4));
}

/** The code that a call failed with, if it was told in time. */
async function late(call: Promise<void>): Promise<string> {
  const startedMs = performance.now();
  const outcome = await call.then(
    () => 'answered',
    (error: unknown) => (error as MillraceError).code,
  );
  return performance.now() - startedMs < deadlineMs + slackMs ? outcome : `${outcome}, and too late`;
}

/** Rows that the worker has answered so. */
async function workerRows(result: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const text = await (await fetch(`${stack.workers[0]!.httpUrl}/metrics`, { headers })).text();
  const line = text
    .split('\n')
    .find((one) => one.startsWith('millrace_inference_worker_rows_total{') && one.includes(`result="${result}"`));
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ')));
}

it('what nobody waits for any more is dropped before it runs: callers hear of their deadline in time, and what is answered is in the log', async () => {
  for (let i = 0; i < 20; i++) await ask(10_000);
  const { pid } = stack.workers[0]!.current;
  process.kill(pid, 'SIGSTOP');
  const timeout = { parameterChoice: { $case: 'int64Param', int64Param: deadlineMs * 1_000 } };
  const outcomes: string[] = [];
  try {
    // Three rounds, so that batches lie in the worker's socket for different times.
    for (let round = 0; round < 3; round++) {
      const calls = Array.from({ length: 20 }, () => late(ask(deadlineMs)));
      calls.push(late(ask(20_000, { timeout })));
      outcomes.push(...(await Promise.all(calls)));
    }
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  expect(outcomes.filter((outcome) => outcome === 'deadline-exceeded')).toHaveLength(60);
  expect(outcomes.filter((outcome) => outcome === 'unavailable')).toHaveLength(3);

  for (let i = 0; i < 20; i++) await ask(10_000);
  expect(answered.size).toBe(40);
  const [ok, dropped] = [await workerRows('ok'), await workerRows('deadline')];
  expect(ok).toBe(40);
  expect(dropped).toBeGreaterThan(40);
  expect(dropped).toBeLessThanOrEqual(63);
  await until(async () => (await stack.gateway.current.metric('millrace_inference_gateway_calls_in_flight')) === 0);
  expect(await stack.gateway.current.metric('millrace_inference_gateway_failures_total')).toBe(0);
  // Exactly what was answered, once.
  const logged = await loggedPredictions(endpoint, answered);
  expect(logged.map((row) => row.prediction_id).toSorted()).toEqual([...answered].toSorted());
}, 90_000);
