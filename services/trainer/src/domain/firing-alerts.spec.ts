import { describe, expect, it } from '@jest/globals';
import type { Kind, Specs, TriggersSpec } from '#libs/definitions/definition-kinds.js';
import { planOf } from '../../test/plan.js';
import { MemoryAlertStore } from '../outbound/memory-alert.store.js';
import { MemoryRunStore } from '../outbound/memory-run.store.js';
import { MemoryTriggerStore } from '../outbound/memory-trigger.store.js';
import { FiringAlerts } from './firing-alerts.js';
import type { FiringAlert } from './ports.js';
import { TriggeredRuns } from './triggered-runs.js';

const [minute, hour] = [60_000, 3_600_000];
const { pipeline: plain, model } = planOf('p');
const alert: FiringAlert = {
  fingerprint: 'f1',
  startsMs: 1_000,
  model: 'm',
  reason: 'performance',
  summary: 'log-loss 0.52 is above 0.41',
};

function setUp(change: Partial<TriggersSpec> = {}) {
  const triggers = { performance: true, drift: false, cooldownMs: 6 * hour, maxRunsPerDay: 4, ...change };
  const definitions = new Map<string, Specs[Kind]>([
    ['Model/m', model],
    ['Pipeline/p', { ...plain, triggers }],
  ]);
  const [store, decisions, kept] = [new MemoryRunStore(), new MemoryTriggerStore(), new MemoryAlertStore()];
  const clock = { ms: 1_000 * hour };
  /** A process of its own: only the stores outlive it. */
  const start = () =>
    new FiringAlerts(
      kept,
      new TriggeredRuns(
        store,
        decisions,
        definitions,
        () => undefined,
        () => clock.ms,
      ),
    );
  const endAll = async () => {
    for (const { runId } of await store.list('', 100)) await store.setRun(runId, { state: 'refused' });
  };
  const pass = async (alerts: FiringAlerts, ms: number) => {
    for (const untilMs = clock.ms + ms; clock.ms < untilMs;) {
      clock.ms = Math.min(clock.ms + minute, untilMs);
      await alerts.look();
    }
  };
  return {
    store,
    decisions,
    kept,
    clock,
    definitions,
    start,
    endAll,
    pass,
    alerts: start(),
    started: async () => (await store.list('p', 100)).length,
    decided: () => [...decisions.all.values()].map(({ decision }) => decision),
  };
}

describe('an alert that goes on firing', () => {
  it('asks for another run when the last has ended and the cool-down is over, and not a look earlier', async () => {
    const { alerts, started, endAll, pass, store, decisions } = setUp();
    await alerts.fires(alert);
    await endAll(); // a gate refused it
    await pass(alerts, 6 * hour - minute);
    expect(await started()).toBe(1);
    await pass(alerts, minute);
    expect((await store.list('p', 9)).map(({ reason }) => reason)).toEqual(
      Array(2).fill('performance: log-loss 0.52 is above 0.41'),
    );
    expect([...decisions.all.keys()]).toEqual(['p/alert/f1/1000', 'p/alert/f1/1000/2']);
  });

  it('starts no second run beside one that has not ended, however long that takes', async () => {
    const { alerts, started, endAll, pass, decided } = setUp();
    await alerts.fires(alert);
    await pass(alerts, 10 * hour);
    expect(await started()).toBe(1);
    await endAll();
    await pass(alerts, minute);
    expect(await started()).toBe(2);
    expect(decided()).toEqual(['started', 'started']);
  });

  it('starts its first run when the run of somebody else has ended', async () => {
    const { alerts, store, pass, endAll, decided } = setUp();
    await store.create('by hand', planOf('p'), 'manual', undefined);
    await alerts.fires(alert);
    await pass(alerts, hour);
    expect(decided()).toEqual(['under-way']);
    await endAll();
    await pass(alerts, hour);
    expect(decided()).toEqual(['under-way', 'started']);
  });

  it('retrains as often as cool-down and budget allow, and never more often; refusals are kept once', async () => {
    const { alerts, endAll, pass, decided, decisions } = setUp({ cooldownMs: hour, maxRunsPerDay: 2 });
    await alerts.fires(alert);
    for (let hours = 0; hours < 47; hours++) {
      await endAll();
      await pass(alerts, hour);
    }
    expect(decided()).toEqual(['started', 'started', 'budget', 'started', 'started', 'budget']);
    const startedMs = [...decisions.all.values()]
      .filter(({ decision }) => decision === 'started')
      .map(({ decidedMs }) => (decidedMs - 1_000 * hour) / hour);
    expect(startedMs).toEqual([0, 1, 24, 25]);
  });

  it('starts nothing once it is resolved', async () => {
    const { alerts, started, endAll, pass } = setUp();
    await alerts.fires(alert);
    await endAll();
    await pass(alerts, 5 * hour);
    await alerts.isOver('f1', 1_000);
    await alerts.fires(alert); // told again by a monitor that was killed
    await pass(alerts, 48 * hour);
    expect(await started()).toBe(1);
  });

  it('starts nothing by a look that comes while its end is being kept', async () => {
    const { alerts, started, endAll, clock, kept } = setUp();
    await alerts.fires(alert);
    await endAll();
    clock.ms += 7 * hour;
    const isOver = kept.isOver.bind(kept);
    kept.isOver = async (...args) => {
      await new Promise((resolve) => setImmediate(resolve));
      await isOver(...args);
    };
    await Promise.all([alerts.isOver('f1', 1_000), alerts.look()]);
    expect(await started()).toBe(1);
  });

  it('is taken again after the store was away', async () => {
    const { alerts, started, kept, decisions, endAll, pass } = setUp();
    const [fires, add] = [kept.fires.bind(kept), decisions.add.bind(decisions)];
    kept.fires = async () => Promise.reject(new Error('away'));
    await expect(alerts.fires(alert)).rejects.toThrow('away');
    expect(await started()).toBe(0);
    kept.fires = fires;
    await alerts.fires(alert);
    await endAll();
    decisions.add = async () => Promise.reject(new Error('away'));
    await expect(pass(alerts, 6 * hour)).rejects.toThrow('away');
    decisions.add = add;
    await pass(alerts, minute);
    expect(await started()).toBe(2);
  });

  it('is a new occasion when it fires once more, within the same cool-down', async () => {
    const { alerts, decisions, started, endAll, pass } = setUp();
    await alerts.fires(alert);
    await endAll();
    await alerts.isOver('f1', 1_000);
    await alerts.fires({ ...alert, startsMs: 2_000 });
    expect(await started()).toBe(1);
    await pass(alerts, 6 * hour);
    expect([...decisions.all].map(([key, { decision }]) => [key, decision])).toEqual([
      ['p/alert/f1/1000', 'started'],
      ['p/alert/f1/2000', 'cool-down'],
      ['p/alert/f1/2000/2', 'started'],
    ]);
  });

  it('starts no second run at once where it is delivered again', async () => {
    const { alerts, started, endAll, decided } = setUp();
    await Promise.all([alerts.fires(alert), alerts.fires(alert)]);
    await endAll();
    await alerts.fires(alert);
    expect(await started()).toBe(1);
    expect(decided()).toEqual(['started']);
  });

  it('is known after a restart, also where the process ended between decision and run', async () => {
    const { alerts, start, store, endAll, pass, clock, started } = setUp();
    await alerts.fires(alert);
    await endAll();
    clock.ms += 7 * hour;
    const create = store.create.bind(store);
    store.create = async (...args) => {
      if (args[3]?.endsWith('/2') === true) throw new Error('killed');
      return create(...args);
    };
    await expect(alerts.look()).rejects.toThrow('killed');
    expect(await started()).toBe(1);
    store.create = create;
    await pass(start(), minute);
    expect(await started()).toBe(2);
    await endAll();
    await pass(start(), 5 * hour);
    expect(await started()).toBe(2);
  });

  it('does without a pipeline that was deleted, and finds one that asks for it later', async () => {
    const { alerts, started, endAll, pass, definitions, decided } = setUp();
    const pipeline = definitions.get('Pipeline/p')!;
    await alerts.fires(alert);
    await endAll();
    definitions.delete('Pipeline/p');
    await pass(alerts, 24 * hour);
    expect(await started()).toBe(1);
    definitions.set('Pipeline/p', plain); // without triggers
    await pass(alerts, hour);
    definitions.set('Pipeline/p', pipeline);
    await pass(alerts, hour);
    expect(decided()).toEqual(['started', 'not-asked', 'started']);
  });

  it('keeps within the shortest cool-down there is to the default budget', async () => {
    const { alerts, started, endAll, pass } = setUp({ cooldownMs: 1_000 });
    await alerts.fires(alert);
    for (let looks = 0; looks < 100; looks++) {
      await endAll();
      await pass(alerts, minute);
    }
    expect(await started()).toBe(4);
  });
});
