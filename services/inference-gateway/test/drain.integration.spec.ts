import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { type ServiceProcess, startService } from '#libs/testing/service-process.js';
import { untilServed } from '#libs/testing/told-registry.js';
import { until } from '#libs/testing/until.js';
import { loggedPredictions } from './logged-predictions.js';
import { fixture, type LoggedStack, startLoggedStack } from './logged-stack.js';
import { SteadyLoad } from './steady-load.js';

const names = ['two', 'alone', 'worker'].map((name) => `drain-${name}-${randomUUID().slice(0, 8)}`);
const [two, alone, ofWorker] = names as [string, string, string];
/** How long a worker is waited for: whoever is late has waited for one that was gone. Longer than a busy machine holds a process up. */
const workerTimeoutMs = 8_000;
/** What a caller may have to wait while somebody else stops. */
const lateMs = 5_000;
let stack: LoggedStack;
let other: ServiceProcess;

beforeAll(async () => {
  const { KAFKA_BROKERS: brokers } = getTestInfrastructure();
  const models = Object.fromEntries(names.map((name) => [name, fixture('binary')]));
  stack = await startLoggedStack({ models, workers: 2 });
  other = await startService('inference-gateway', brokers, {
    INFERENCE_WORKER_ADDRESSES: stack.workers.map(({ grpcAddress }) => grpcAddress).join(','),
    WORKER_TIMEOUT_MS: String(workerTimeoutMs),
    FEATURE_STORE_ADDRESS: '127.0.0.1:1', // nobody there
    DATA_DIR: join(stack.folder, 'other-gateway'),
  });
  await untilServed(other.httpUrl, names);
}, 120_000);

afterAll(async () => {
  await other?.kill('SIGTERM');
  await stack?.stop();
}, 60_000);

/** So many more are answered. */
async function answers(load: SteadyLoad, more = 300): Promise<void> {
  const wanted = load.answered.size + more;
  await until(() => load.answered.size >= wanted, `${more} more answers`);
}

/** Every answer is in the log, each request once, and nothing that nobody was answered. */
async function expectLogged(endpoint: string, load: SteadyLoad): Promise<void> {
  const logged = await loggedPredictions(endpoint, new Set(load.answered.values()));
  const rows = logged.map((row) => `${row.request_id} ${row.prediction_id}`).toSorted();
  expect(rows).toEqual([...load.answered].map(([requestId, id]) => `${requestId} ${id}`).toSorted());
}

it('SIGTERM of a gateway under load, while another one lives: no call fails, and every answer is in the log', async () => {
  const load = new SteadyLoad(two, [stack.gateway, other]);
  await answers(load);
  expect(await stack.gateway.kill('SIGTERM')).toBe(0);
  await answers(load);
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(load.streamsEnded).toBeLessThanOrEqual(1);
  await stack.gateway.start();
  await expectLogged(two, load);
}, 90_000);

it('SIGTERM of the only gateway: what was accepted is answered, what was not is UNAVAILABLE and was never read', async () => {
  await untilServed(stack.gateway.httpUrl, names);
  const load = new SteadyLoad(alone, [stack.gateway]);
  await answers(load);
  expect(await stack.gateway.kill('SIGTERM')).toBe(0);
  await stack.gateway.start();
  await answers(load);
  await load.stop();
  const wrong = load.failures.filter(({ code, words }) => code !== 14 && !/ECONNREFUSED|^503/.test(words));
  expect(wrong).toEqual([]);
  // So none that failed is there, and none twice.
  await expectLogged(alone, load);
}, 90_000);

describe('a worker', () => {
  it('SIGTERM of a worker under load, while another one lives: no call fails and none is late', async () => {
    const load = new SteadyLoad(ofWorker, [other]);
    await answers(load);
    const [worker] = stack.workers;
    expect(await worker!.kill('SIGTERM')).toBe(0);
    await answers(load);
    await worker!.start();
    await until(async () => (await worker!.current.metric('millrace_inference_worker_rows_total')) > 0, 'asked again');
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.slowestMs).toBeLessThan(lateMs);
    await expectLogged(ofWorker, load);
  }, 90_000);
});
