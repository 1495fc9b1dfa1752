import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { OwnProcess } from './own-process.js';
import { ProcessFamily } from './process-family.js';
import type { FromProcess, ToProcess } from './process-messages.js';

/** A process that ends when it is told to. */
class FakeProcess extends EventEmitter {
  readonly told: ToProcess[] = [];
  readonly signals: string[] = [];
  readonly process = { pid: 1, kill: (signal: string) => this.signals.push(signal) };

  send(message: ToProcess, sent: (error: Error | null) => void): void {
    this.told.push(message);
    this.emit('told', message);
    sent(null);
  }

  says(message: FromProcess): void {
    this.emit('message', message);
  }
}

function setUp(count: number) {
  const forked: { number: number; process: FakeProcess }[] = [];
  const events: Record<string, unknown>[] = [];
  const fork = (number: number): FakeProcess => {
    const process = new FakeProcess();
    forked.push({ number, process });
    return process;
  };
  const log = new Logger('test', 'info', (line) => events.push(JSON.parse(line) as Record<string, unknown>));
  const metrics = new Metrics('test', 'primary');
  const times = { giveUpAfterMs: 30_000, silentAfterMs: 30_000, stopGraceMs: 10_000 };
  const given = { up: 0 };
  const family = new ProcessFamily(count, fork, metrics, log, times, () => (given.up += 1));
  family.start();
  const newest = (number: number) => forked.findLast((one) => one.number === number)!.process;
  const ready = (number: number) => newest(number).says({ kind: 'state', reasons: {} });
  return { forked, events, family, given, newest, ready };
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

describe('several processes', () => {
  it('are told of those that are not ready, and have started when all are', () => {
    const { events, newest, ready } = setUp(2);
    const readiness = new Readiness();
    newest(1).on('told', (message: ToProcess) => message.kind === 'others' && readiness.setOthers(message.reasons));
    newest(0).says({ kind: 'state', reasons: { kafka: 'away' } });
    expect([readiness.ready, readiness.report(), readiness.own()]).toEqual([false, { 'process 0': 'kafka: away' }, {}]);
    ready(1);
    expect(events.some(({ event }) => event === 'service_started')).toBe(false);
    ready(0);
    expect(readiness.ready).toBe(true);
    expect(events.filter(({ event }) => event === 'service_started')).toEqual([
      expect.objectContaining({ processes: 2 }),
    ]);
    newest(0).emit('exit', null, 'SIGKILL');
    expect(readiness.report()).toEqual({ 'process 0': 'ended, is being started again' });
  });

  it('that end are started again, after 0.1 s and ever later while they do not stay, by the same number', () => {
    const { forked, newest, ready } = setUp(2);
    ready(1);
    const waited: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      newest(1).emit('exit', null, 'SIGKILL');
      const before = forked.length;
      for (waited.push(0); forked.length === before; waited[i]! += 100) jest.advanceTimersByTime(100);
      ready(1);
    }
    expect(waited).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    jest.advanceTimersByTime(11_000); // well again
    newest(1).emit('exit', 1, null);
    const before = forked.length;
    jest.advanceTimersByTime(100);
    expect(forked.length).toBe(before + 1);
    expect(forked.filter(({ number }) => number === 0)).toHaveLength(1);
  });

  it('are given up when one ends again and again for half a minute without having been ready', () => {
    const { given, newest, ready } = setUp(2);
    ready(0);
    const startedMs = Date.now();
    while (given.up === 0 && Date.now() - startedMs < 60_000) {
      newest(1).emit('exit', 1, null);
      jest.advanceTimersByTime(5_000);
    }
    expect(given.up).toBe(1);
    expect(Date.now() - startedMs).toBeGreaterThan(30_000);
  });

  it('are ended when they give no sign of life after they were ready; a start may take its time', () => {
    const { newest, ready } = setUp(3);
    ready(1);
    for (let second = 0; second < 32; second += 1) {
      ready(0);
      jest.advanceTimersByTime(1_000);
    }
    expect([newest(0).signals, newest(1).signals.at(0), newest(2).signals]).toEqual([[], 'SIGKILL', []]);
  });

  it('are stopped together: SIGTERM, their drain waited for, SIGKILL after the grace; one that is not there is not started any more', async () => {
    const { forked, family, newest, ready } = setUp(3);
    for (const number of [0, 1, 2]) ready(number);
    newest(2).emit('exit', null, 'SIGKILL');
    let clean: boolean | undefined;
    const stopped = family.stop().then((was) => (clean = was));
    newest(0).emit('exit', 0, null);
    await jest.advanceTimersByTimeAsync(9_000);
    expect([newest(0).signals, newest(1).signals, clean]).toEqual([['SIGTERM'], ['SIGTERM'], undefined]);
    await jest.advanceTimersByTimeAsync(2_000);
    expect(newest(1).signals).toEqual(['SIGTERM', 'SIGKILL']);
    newest(1).emit('exit', null, 'SIGKILL');
    await stopped;
    expect([clean, forked.length]).toEqual([false, 3]);
  });

  it('answer for the metrics of all, each series with its process, whichever is asked; one that does not answer is left out', async () => {
    const { newest } = setUp(3);
    const asked: OwnProcess[] = [];
    const registries: Metrics[] = [];
    for (const number of [0, 1]) {
      const metrics = new Metrics('test', String(number));
      metrics.create({ done: { type: 'counter', name: 'done_total', help: 'Done' } }).done.inc(number + 1);
      const own = new OwnProcess(number, 3, {
        send: (message) => newest(number).says(message),
        onMessage: (listener) => void newest(number).on('told', listener),
      });
      own.join(new Readiness(), metrics);
      asked.push(own);
      registries.push(metrics);
    }
    const both = Promise.all(asked.map((own, i) => own.allMetrics(registries[i]!)));
    await jest.advanceTimersByTimeAsync(2_500);
    for (const text of await both) {
      expect(text.match(/^# HELP done_total /gm)).toHaveLength(1);
      expect(text.match(/^done_total.*$/gm)).toEqual([
        expect.stringMatching(/^done_total\{.*process="0".*\} 1$/),
        expect.stringMatching(/^done_total\{.*process="1".*\} 2$/),
      ]);
      expect(text).toMatch(/millrace_process_restarts_total\{.*process="primary".*\} 0/);
    }
  });
});
