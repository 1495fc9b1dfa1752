import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import type { RunStore } from '../src/domain/ports.js';
import { stepNames } from '../src/domain/run.js';
import { planOf } from './plan.js';

/** What every RunStore does. */
export function runStoreContract(open: () => Promise<RunStore>): void {
  it('keeps a run with its plan and its steps in order', async () => {
    const store = await open();
    const [id, pipeline] = [randomUUID(), `p-${randomUUID()}`];
    const created = await store.create(id, planOf(pipeline), 'manual', undefined);
    expect(created).toMatchObject({
      runId: id,
      state: 'pending',
      reason: 'manual',
      plan: planOf(pipeline),
      error: '',
      modelVersion: '',
    });
    expect(created.steps.map(({ name, state, attempt }) => [name, state, attempt])).toEqual(
      stepNames.map((name) => [name, 'pending', 0]),
    );
    expect(await store.get(id)).toEqual(created);
    expect(await store.get('no such run')).toBeUndefined();
  });

  it('gives the same run for the same idempotency key', async () => {
    const store = await open();
    const key = randomUUID();
    const first = await store.create(randomUUID(), planOf('p'), 'manual', key);
    expect((await store.create(randomUUID(), planOf('other'), 'manual', key)).runId).toBe(first.runId);
    expect((await store.create(randomUUID(), planOf('p'), 'manual', undefined)).runId).not.toBe(first.runId);
    for (const run of await store.list('', 1_000)) await store.setRun(run.runId, { state: 'cancelled' });
  });

  it('changes runs and steps, and keeps what a change does not name', async () => {
    const store = await open();
    const { runId, steps } = await store.create(randomUUID(), planOf('p'), 'manual', undefined);
    await store.setStep(runId, {
      ...steps[1]!,
      state: 'succeeded',
      attempt: 2,
      startedMs: 5,
      finishedMs: 9,
      message: 'done',
      outputs: { model: 'x', modelSha256: 'y', metrics: { 'validate.auc': 0.8 } },
    });
    await store.setRun(runId, { state: 'failed', error: 'why' });
    await store.setRun(runId, { state: 'succeeded', modelVersion: '3' });
    const run = (await store.get(runId))!;
    expect(run).toMatchObject({ state: 'succeeded', error: 'why', modelVersion: '3' });
    expect(run.steps[1]).toMatchObject({
      name: 'train',
      state: 'succeeded',
      attempt: 2,
      startedMs: 5,
      finishedMs: 9,
      outputs: { metrics: { 'validate.auc': 0.8 } },
    });
    expect(run.steps[0]!.state).toBe('pending');
  });

  it('gives what runs before what waits, and nothing that has ended', async () => {
    const store = await open();
    for (const run of await store.list('', 1_000)) await store.setRun(run.runId, { state: 'cancelled' });
    const first = await store.create(randomUUID(), planOf('p'), 'manual', undefined);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await store.create(randomUUID(), planOf('p'), 'manual', undefined);
    expect((await store.nextUnfinished())!.runId).toBe(first.runId);
    await store.setRun(second.runId, { state: 'running' });
    expect((await store.nextUnfinished())!.runId).toBe(second.runId);
    for (const { runId } of [first, second]) await store.setRun(runId, { state: 'succeeded' });
    expect(await store.nextUnfinished()).toBeUndefined();
  });

  it('knows which pipelines have a run that has not ended', async () => {
    const store = await open();
    const pipeline = `p-${randomUUID()}`;
    expect(await store.isUnderWay(pipeline)).toBe(false);
    const { runId } = await store.create(randomUUID(), planOf(pipeline), 'manual', undefined);
    for (const [state, underWay] of [
      ['pending', true],
      ['running', true],
      ['refused', false],
      ['failed', false],
    ] as const) {
      await store.setRun(runId, { state });
      expect([state, await store.isUnderWay(pipeline)]).toEqual([state, underWay]);
      expect(await store.isUnderWay(`${pipeline}-other`)).toBe(false);
    }
  });

  it('lists the newest first, of one pipeline or of all', async () => {
    const store = await open();
    const pipeline = `p-${randomUUID()}`;
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      ids.unshift((await store.create(randomUUID(), planOf(pipeline), 'manual', undefined)).runId);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    expect((await store.list(pipeline, 2)).map(({ runId }) => runId)).toEqual(ids.slice(0, 2));
    expect((await store.list('', 1))[0]!.runId).toBe(ids[0]);
  });
}
