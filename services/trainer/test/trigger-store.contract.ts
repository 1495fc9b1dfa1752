import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import type { Trigger, TriggerStore } from '../src/domain/ports.js';

const triggerOf = (change: Partial<Trigger>): Trigger => ({
  triggerKey: randomUUID(),
  pipeline: 'p',
  reason: 'performance',
  summary: 'log-loss 0.5 is above 0.4',
  decision: 'started',
  because: '',
  runId: randomUUID(),
  decidedMs: 1_767_225_600_123,
  ...change,
});

/** What every TriggerStore does. */
export function triggerStoreContract(open: () => Promise<TriggerStore>): void {
  it('keeps a decision, once for a key', async () => {
    const store = await open();
    const refused = triggerOf({ decision: 'cool-down', because: 'too recent', runId: '' });
    await store.add(refused);
    expect(await store.get(refused.triggerKey)).toEqual(refused);
    expect(await store.get('no such key')).toBeUndefined();
    await expect(store.add(triggerOf({ triggerKey: refused.triggerKey }))).rejects.toThrow();
    expect(await store.get(refused.triggerKey)).toEqual(refused);
  });

  it('counts what was started of a pipeline since an instant, that instant too', async () => {
    const store = await open();
    const pipeline = `p-${randomUUID()}`;
    for (const decidedMs of [300, 100, 200]) await store.add(triggerOf({ pipeline, decidedMs }));
    await store.add(triggerOf({ pipeline, decidedMs: 250, decision: 'budget', runId: '' }));
    await store.add(triggerOf({ pipeline: `${pipeline}-other`, decidedMs: 250 }));
    expect(await store.startedSince(pipeline, 200)).toEqual([200, 300]);
    expect(await store.startedSince(pipeline, 301)).toEqual([]);
  });
}
