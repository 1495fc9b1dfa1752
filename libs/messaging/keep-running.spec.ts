import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { Consumer } from 'kafkajs';
import { Logger } from '#libs/telemetry/logger.js';
import { keepRunning } from './keep-running.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** As much of a consumer of kafkajs as is used: connected or not, and a crash on demand. */
function fakeConsumer() {
  let onCrash: (event: object) => void = () => undefined;
  const fake = {
    connected: false,
    connects: 0,
    /** What the next connection waits for. */
    gate: Promise.resolve(),
    events: { CRASH: 'consumer.crash' },
    on: (_: string, listener: (event: object) => void) => void (onCrash = listener),
    connect: async () => {
      fake.connects += 1;
      await fake.gate;
      fake.connected = true;
    },
    disconnect: async () => void (fake.connected = false),
    crash: (restart: boolean) => onCrash({ payload: { error: new Error('a fault'), restart } }),
  };
  return fake;
}

const logger = new Logger('test', 'error', () => undefined);

async function running(fake: ReturnType<typeof fakeConsumer>) {
  let runs = 0;
  const run = async (): Promise<void> => void (runs += 1);
  const kept = await keepRunning(fake as unknown as Consumer, run, logger, {});
  return { kept, runs: () => runs };
}

it('is run again where kafkajs gives it up, and left to it where it does not', async () => {
  const fake = fakeConsumer();
  const { runs } = await running(fake);
  fake.crash(true);
  await jest.advanceTimersByTimeAsync(5_000);
  expect(runs()).toBe(1);
  fake.crash(false);
  await jest.advanceTimersByTimeAsync(1_000);
  expect(runs()).toBe(2);
});

it('a stop while it is started again leaves it neither connected nor run', async () => {
  const fake = fakeConsumer();
  const { kept, runs } = await running(fake);
  let open = (): void => undefined;
  fake.gate = new Promise((resolve) => (open = resolve));
  fake.crash(false);
  await jest.advanceTimersByTimeAsync(1_000);
  expect(fake.connects).toBe(2);
  const stopped = kept.stop();
  await jest.advanceTimersByTimeAsync(1);
  open();
  await stopped;
  expect(fake.connected).toBe(false);
  expect(runs()).toBe(1);
  fake.crash(false);
  await jest.advanceTimersByTimeAsync(5_000);
  expect(fake.connects).toBe(2);
});
