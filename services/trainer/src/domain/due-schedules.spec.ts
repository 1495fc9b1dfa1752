import { describe, expect, it } from '@jest/globals';
import type { Kind, Specs } from '#libs/definitions/definition-kinds.js';
import { planOf } from '../../test/plan.js';
import { TriggeredRuns } from './triggered-runs.js';
import { MemoryRunStore } from '../outbound/memory-run.store.js';
import { MemoryTriggerStore } from '../outbound/memory-trigger.store.js';
import { DueSchedules } from './due-schedules.js';

const { pipeline: plain, model } = planOf('p');
const triggers = { schedule: '0 3 * * *', performance: false, drift: false, cooldownMs: 1, maxRunsPerDay: 9 };
const pipeline = { ...plain, triggers };
const [store, decisions] = [new MemoryRunStore(), new MemoryTriggerStore()];

/** A process of its own: only the stores outlive it. */
function startAt(time: string) {
  const clock = { ms: Date.parse(time) };
  const definitions = new Map<string, Specs[Kind]>([
    ['Model/m', model],
    ['Pipeline/p', pipeline],
  ]);
  const runs = new TriggeredRuns(
    store,
    decisions,
    definitions,
    () => undefined,
    () => clock.ms,
  );
  const schedules = new DueSchedules(runs, () => clock.ms);
  const lookAt = async (at: string): Promise<number> => {
    clock.ms = Date.parse(at);
    await schedules.look();
    for (const { runId } of await store.list('', 100)) await store.setRun(runId, { state: 'succeeded' });
    return (await store.list('p', 100)).length;
  };
  return { lookAt };
}

describe('a schedule', () => {
  it('starts a run at each due time, at most once, across a restart too', async () => {
    const first = startAt('2026-03-02T02:50:00Z');
    expect(await first.lookAt('2026-03-02T02:59:58Z')).toBe(0);
    expect(await first.lookAt('2026-03-02T03:00:03Z')).toBe(1);
    expect(await first.lookAt('2026-03-02T03:00:08Z')).toBe(1);
    const second = startAt('2026-03-02T03:00:30Z');
    expect(await second.lookAt('2026-03-02T03:00:30Z')).toBe(1);
    expect(await second.lookAt('2026-03-03T03:00:01Z')).toBe(2);
    const third = startAt('2026-03-04T03:00:40Z'); // it was down when the time came
    expect(await third.lookAt('2026-03-04T03:00:40Z')).toBe(3);
    const late = startAt('2026-03-05T04:00:00Z');
    expect(await late.lookAt('2026-03-05T04:00:00Z')).toBe(3);
    const reasons = (await store.list('p', 100)).map(({ reason }) => reason).sort();
    expect(reasons).toEqual(
      ['02', '03', '04'].map((day) => `schedule: "0 3 * * *" was due at 2026-03-${day}T03:00:00.000Z`),
    );
  });

  it('goes back after a look that failed', async () => {
    const before = (await store.list('p', 100)).length;
    const loop = startAt('2026-03-06T02:59:50Z');
    const add = decisions.add.bind(decisions);
    decisions.add = async () => Promise.reject(new Error('away'));
    await expect(loop.lookAt('2026-03-06T03:00:01Z')).rejects.toThrow('away');
    decisions.add = add;
    expect(await loop.lookAt('2026-03-06T03:10:00Z')).toBe(before + 1);
  });
});
