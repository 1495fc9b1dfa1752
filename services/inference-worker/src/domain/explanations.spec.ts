import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeExplainer, RecordingExplanations } from '../../test/explaining-fakes.js';
import { FakeLoader, FakeModel, itemOf, numbersOf, RecordingObserver } from '../../test/fakes.js';
import { BatchScheduler } from './batch-scheduler.js';
import { Explanations } from './explanations.js';
import { ModelPool } from './model-pool.js';
import { fault } from './outcome.js';

const asked = { onnxSha256: 'm', backgroundSha256: 'b' };
const turns = async (): Promise<void> => {
  for (let i = 0; i < 12; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('Explanations', () => {
  let explainer: FakeExplainer;
  let observer: RecordingExplanations;
  let scheduler: BatchScheduler;
  let explanations: Explanations;
  let nowMs: number;

  beforeEach(() => {
    nowMs = 0;
    const loader = new FakeLoader();
    loader.add('m', new FakeModel(2, 64));
    const pool = new ModelPool(loader, { maxModels: 4, maxBytes: Infinity }, new RecordingObserver(), () => nowMs);
    scheduler = new BatchScheduler(pool, 1_000, new RecordingObserver(), () => nowMs);
    [explainer, observer] = [new FakeExplainer(), new RecordingExplanations()];
    explanations = new Explanations(scheduler, explainer, 5, observer, () => nowMs);
  });

  it('answers the scores as always, and contributions beside them', async () => {
    const { item, outcome } = itemOf([[1, 2]], { expiresAtMs: 900 });
    explanations.submit(asked, item);
    await turns();
    expect(explainer.asked).toMatchObject([{ ...asked, rows: 1, features: 2, columns: 2, timeoutMs: 900 }]);
    explainer.finish();
    const answer = await outcome;
    expect(numbersOf(answer)).toEqual([3, 1]);
    expect(answer).toMatchObject({ explanation: { baseValue: 0.5, contributions: Float64Array.from([1, 2]) } });
    expect(observer.results).toEqual([['tree-shap', 1]]);
    expect(observer.rows).toBe(0);
  });

  it('never makes a prediction wait: one explanation at a time, and scores go on meanwhile', async () => {
    const [first, second, plain] = [itemOf([[1, 1]]), itemOf([[2, 2]]), itemOf([[3, 3]])];
    explanations.submit(asked, first.item);
    explanations.submit(asked, second.item);
    await turns();
    expect(explainer.asked).toHaveLength(1);
    scheduler.submit('m', plain.item);
    await turns();
    expect(plain.answers).toHaveLength(1);
    expect([...first.answers, ...second.answers]).toEqual([]);
    explainer.finish();
    await first.outcome;
    await turns();
    expect(explainer.asked).toHaveLength(2);
  });

  it('refuses at once what is too much, and takes it when there is room again', async () => {
    const [four, two] = [itemOf([[1, 1], [2, 2], [3, 3], [4, 4]]), itemOf([[5, 5], [6, 6]])]; // prettier-ignore
    explanations.submit(asked, four.item);
    explanations.submit(asked, two.item);
    expect(two.answers).toMatchObject([{ code: 'overloaded', message: expect.stringContaining('4 rows') }]);
    await turns();
    explainer.finish();
    await four.outcome;
    const again = itemOf([[5, 5]]);
    explanations.submit(asked, again.item);
    await turns();
    explainer.finish();
    expect(await again.outcome).toMatchObject({ ok: true });
  });

  it('explains nothing without a background, nor more than 100 rows', () => {
    const [one, many] = [itemOf([[1, 1]]), itemOf(Array.from({ length: 101 }, () => [0, 0]))];
    explanations.submit({ ...asked, backgroundSha256: '' }, one.item);
    explanations.submit(asked, many.item);
    expect(one.answers).toMatchObject([{ code: 'bad-shape', message: expect.stringContaining('background_sha256') }]);
    expect(many.answers).toMatchObject([{ code: 'bad-shape', message: expect.stringContaining('101') }]);
  });

  it('does not explain what is wrong, late, or asked by who is gone', async () => {
    const wrong = itemOf([[1, 2, 3]]);
    explanations.submit(asked, wrong.item);
    expect(await wrong.outcome).toMatchObject({ code: 'bad-shape' });
    const [busy, late] = [itemOf([[1, 1]]), itemOf([[2, 2]], { expiresAtMs: 10 })];
    let isGone = false;
    const left = itemOf([[3, 3]], { isAbandoned: () => isGone });
    for (const { item } of [busy, late, left]) explanations.submit(asked, item);
    await turns();
    nowMs = 10;
    isGone = true;
    explainer.finish();
    expect(await late.outcome).toMatchObject({ code: 'deadline' });
    await turns();
    expect(left.answers).toEqual([]);
    expect(explainer.asked).toHaveLength(1);
    const never = itemOf([[4, 4]], { isAbandoned: () => true });
    explanations.submit(asked, never.item);
    await turns();
    expect(observer.rows).toBe(0);
  });

  it('answers what went wrong, and goes on', async () => {
    explainer.outcome = () => fault('run-failed', 'no');
    const [one, two] = [itemOf([[1, 1]]), itemOf([[2, 2]])];
    explanations.submit(asked, one.item);
    explanations.submit(asked, two.item);
    await turns();
    explainer.finish();
    expect(await one.outcome).toMatchObject({ code: 'run-failed', message: 'no' });
    explainer.outcome = undefined;
    await turns();
    explainer.finish();
    expect(await two.outcome).toMatchObject({ ok: true });
    expect(observer.results.map(([result]) => result)).toEqual(['run-failed', 'tree-shap']);
  });
});
