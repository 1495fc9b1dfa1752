import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import type { Trigger, TriggerStore } from '../src/domain/ports.js';

const triggerOf = (change: Partial<Trigger>): Trigger => ({
  triggerKey: randomUUID(),
  pipeline: 'p',
  occasion: randomUUID(),
  attempt: 1,
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
    expect(await store.latest('p', refused.occasion)).toEqual(refused);
    await expect(store.add(triggerOf({ triggerKey: refused.triggerKey }))).rejects.toThrow();
    expect(await store.latest('p', refused.occasion)).toEqual(refused);
  });

  it('knows the last of the decisions about the same occasion, by pipeline', async () => {
    const store = await open();
    const occasion = `alert/${randomUUID()}/1`;
    expect(await store.latest('p', occasion)).toBeUndefined();
    for (const attempt of [2, 10, 9]) await store.add(triggerOf({ occasion, attempt }));
    await store.add(triggerOf({ occasion, attempt: 11, pipeline: 'q' }));
    await store.add(triggerOf({ occasion: `${occasion}0`, attempt: 12 }));
    expect(await store.latest('p', occasion)).toMatchObject({ occasion, attempt: 10 });
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
