import { describe, expect, it } from '@jest/globals';
import type { Kind, PipelineSpec, Specs } from '#libs/definitions/definition-kinds.js';
import { planOf } from '../../test/plan.js';
import { MemoryRunStore } from '../outbound/memory-run.store.js';
import { MemoryTriggerStore } from '../outbound/memory-trigger.store.js';
import { TriggeredRuns } from './triggered-runs.js';

const hour = 3_600_000;

function setUp(triggers: PipelineSpec['triggers']) {
  const { pipeline: plain, model } = planOf('p');
  const pipeline: PipelineSpec = triggers === undefined ? plain : { ...plain, triggers };
  const definitions = new Map<string, Specs[Kind]>([
    ['Model/m', model],
    ['Pipeline/p', pipeline],
    ['Pipeline/q', { ...pipeline, name: 'q', model: 'other' }],
  ]);
  const [store, decisions] = [new MemoryRunStore(), new MemoryTriggerStore()];
  const clock = { ms: 1_000 * hour };
  const decided: string[] = [];
  const runs = new TriggeredRuns(
    store,
    decisions,
    definitions,
    ({ decision }) => void decided.push(decision),
    () => clock.ms,
  );
  const tell = (key: string) => runs.consider(pipeline, { key, reason: 'drift', summary: 'psi of x is 0.4' });
  const endAll = async () => {
    for (const { runId } of await store.list('', 100)) await store.setRun(runId, { state: 'succeeded' });
  };
  return { store, decisions, runs, tell, clock, decided, endAll, definitions };
}
const asking = { performance: false, drift: true, cooldownMs: 6 * hour, maxRunsPerDay: 2 };

describe('a triggered run', () => {
  it('ends at the watermark, says why it was started, and is the same however often that is told', async () => {
    const { store, tell, decided } = setUp(asking);
    const first = await tell('alert/a/1');
    expect(await tell('alert/a/1')).toEqual(first);
    const runs = await store.list('p', 10);
    expect(runs).toMatchObject([
      { runId: first.runId, reason: 'drift: psi of x is 0.4', plan: { fromMs: 0, toMs: 0, validateFromMs: 0 } },
    ]);
    expect(decided).toEqual(['started']);
  });

  it('is started after all where the process ended between the decision and the run', async () => {
    const { store, tell, decisions } = setUp(asking);
    const trigger = await tell('alert/a/1');
    const other = setUp(asking);
    await other.decisions.add(decisions.all.get(trigger.triggerKey)!);
    await other.tell('alert/a/1');
    expect((await other.store.list('p', 10)).map(({ runId }) => runId)).toEqual([trigger.runId]);
    expect(await store.list('p', 10)).toHaveLength(1);
  });

  it('is one of those that cool-down and budget allow; refusals are kept with their reason', async () => {
    const { tell, clock, endAll, decided, decisions, store } = setUp(asking);
    await tell('1');
    await tell('2');
    await endAll();
    await tell('3');
    for (const key of ['4', '5']) {
      clock.ms += 7 * hour;
      await tell(key);
      await endAll();
    }
    expect(decided).toEqual(['started', 'under-way', 'cool-down', 'started', 'budget']);
    expect(decisions.all.get('p/5')).toMatchObject({ runId: '', because: expect.stringContaining('maxRunsPerDay') });
    expect(await store.list('p', 10)).toHaveLength(2);
  });

  it('is one where several occasions come at once', async () => {
    const { tell, store } = setUp(asking);
    const told = await Promise.all(['1', '2', '3'].map(tell));
    expect(told.map(({ decision }) => decision)).toEqual(['started', 'under-way', 'under-way']);
    expect(await store.list('p', 10)).toHaveLength(1);
  });

  it('is told again after the store was away', async () => {
    const { tell, decisions, store } = setUp(asking);
    const add = decisions.add.bind(decisions);
    decisions.add = async () => Promise.reject(new Error('away'));
    await expect(tell('1')).rejects.toThrow('away');
    expect(await store.list('p', 10)).toEqual([]);
    decisions.add = add;
    expect((await tell('1')).decision).toBe('started');
  });

  it('is of the pipelines of its model', () => {
    const { runs } = setUp(undefined);
    expect(runs.pipelines('m').map(({ name }) => name)).toEqual(['p']);
    expect(runs.pipelines().map(({ name }) => name)).toEqual(['p', 'q']);
  });
});
