import { describe, expect, it } from '@jest/globals';
import { Alert } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { Kind, Specs } from '#libs/definitions/definition-kinds.js';
import type { ChunkHandler, ConsumeOptions, LogRecord, MessageLog } from '#libs/messaging/message-log.js';
import { Logger } from '#libs/telemetry/logger.js';
import { planOf } from '../../test/plan.js';
import { FiringAlerts } from '../domain/firing-alerts.js';
import { TriggeredRuns } from '../domain/triggered-runs.js';
import { MemoryAlertStore } from '../outbound/memory-alert.store.js';
import { MemoryRunStore } from '../outbound/memory-run.store.js';
import { MemoryTriggerStore } from '../outbound/memory-trigger.store.js';
import { AlertsConsumer } from './alerts.consumer.js';

const firing = Alert.fromPartial({
  fingerprint: 'f1',
  model: 'm',
  breach: 'performance',
  state: 'firing',
  summary: 'log-loss 0.52 is above 0.41',
  startsMs: 1_000,
  actions: ['alert', 'retrain'],
});

async function setUp() {
  const { pipeline, model } = planOf('p');
  const triggers = { performance: true, concept: true, drift: false, cooldownMs: 1, maxRunsPerDay: 9 };
  const definitions = new Map<string, Specs[Kind]>([
    ['Model/m', model],
    ['Pipeline/p', { ...pipeline, triggers }],
    ['Pipeline/silent', { ...pipeline, name: 'silent' }],
  ]);
  const [store, decisions, errors] = [new MemoryRunStore(), new MemoryTriggerStore(), [] as string[]];
  const clock = { ms: 5_000 };
  const runs = new TriggeredRuns(
    store,
    decisions,
    definitions,
    () => undefined,
    () => clock.ms,
  );
  const alerts = new FiringAlerts(new MemoryAlertStore(), runs);
  let handler: ChunkHandler | undefined;
  const log = {
    ensureTopics: async () => undefined,
    consume: async (options: ConsumeOptions) => {
      handler = options.handler;
      return { stop: async () => undefined };
    },
  } as unknown as MessageLog;
  await new AlertsConsumer(log, alerts, new Logger('test', 'warn', (line) => void errors.push(line))).start();
  const deliver = (...values: Buffer[]) =>
    handler!({
      topic: 'alerts.raised.v1',
      partition: 0,
      token: '',
      carried: '',
      signal: new AbortController().signal,
      alive: async () => undefined,
      records: values.map((value, offset): LogRecord => ({
        partition: 0,
        offset,
        key: null,
        value,
        headers: {},
        timestampMs: 0,
      })),
    });
  const started = async () => (await store.list('', 100)).map((run) => [run.plan.pipeline.name, run.reason]);
  const endAll = async () => {
    for (const { runId } of await store.list('', 100)) await store.setRun(runId, { state: 'succeeded' });
    clock.ms += 10;
  };
  return { deliver, started, decisions, errors, alerts, endAll };
}
const encode = (change: Partial<Alert> = {}) => Buffer.from(Alert.encode({ ...firing, ...change }).finish());

describe('an alert', () => {
  it('starts one run of each pipeline of its model that asks for it, however often it is delivered', async () => {
    const { deliver, started, decisions } = await setUp();
    await deliver(encode(), encode());
    await deliver(encode());
    expect(await started()).toEqual([['p', 'performance: log-loss 0.52 is above 0.41']]);
    expect([...decisions.all].map(([key, { decision }]) => [key, decision])).toEqual([
      ['p/alert/f1/1000', 'started'],
      ['silent/alert/f1/1000', 'not-asked'],
    ]);
  });

  it('is considered again for as long as it fires: whatever its end asks for, nothing is started after that', async () => {
    const { deliver, started, alerts, endAll } = await setUp();
    await deliver(encode());
    await endAll();
    await alerts.look();
    expect(await started()).toHaveLength(2);
    await deliver(encode({ state: 'resolved', actions: [] }));
    await endAll();
    await alerts.look();
    await deliver(encode()); // a monitor that was killed may tell of the beginning once more
    expect(await started()).toHaveLength(2);
  });

  it('of concept drift starts a run where the pipeline asks for that', async () => {
    const { deliver, started } = await setUp();
    await deliver(encode({ breach: 'concept', summary: 'scores mean something else' }));
    expect(await started()).toEqual([['p', 'concept: scores mean something else']]);
  });

  it.each<[string, Partial<Alert>]>([
    ['that is over', { state: 'resolved' }],
    ['that asks for nothing but a message', { actions: ['alert'] }],
    ['of another model', { model: 'other' }],
    ['of late labels', { breach: 'missing-labels' }],
  ])('%s starts nothing', async (_, change) => {
    const { deliver, started, decisions } = await setUp();
    await deliver(encode(change));
    expect(await started()).toEqual([]);
    expect(decisions.all.size).toBe(0);
  });

  it('that cannot be read is passed over, and said', async () => {
    const { deliver, started, errors } = await setUp();
    await deliver(Buffer.from([0xff, 0xff, 0xff]), encode());
    expect(await started()).toHaveLength(1);
    expect(errors.join()).toContain('alert_unreadable');
  });
});
