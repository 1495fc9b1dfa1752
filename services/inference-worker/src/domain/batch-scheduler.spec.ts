import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeLoader, FakeModel, itemOf, numbersOf, RecordingObserver } from '../../test/fakes.js';
import { BatchScheduler } from './batch-scheduler.js';
import { ModelPool } from './model-pool.js';

const maxQueuedRows = 20;

describe('BatchScheduler', () => {
  let nowMs: number;
  let loader: FakeLoader;
  let observer: RecordingObserver;
  let pool: ModelPool;
  let scheduler: BatchScheduler;

  beforeEach(() => {
    nowMs = 0;
    loader = new FakeLoader();
    observer = new RecordingObserver();
    pool = new ModelPool(loader, { maxModels: 4, maxBytes: Infinity }, observer, () => nowMs);
    scheduler = new BatchScheduler(pool, maxQueuedRows, observer, () => nowMs);
  });

  it('makes one run of what arrives in one turn, and gives each its own rows back', async () => {
    const model = loader.add('m');
    await pool.load('m');
    const asked = [
      itemOf([[1, 2]]),
      itemOf([
        [3, 4],
        [5, 6],
      ]),
      itemOf([[7, 8]]),
    ];
    for (const { item } of asked) scheduler.submit('m', item);
    const answers = await Promise.all(asked.map(({ outcome }) => outcome));
    expect(answers.map(numbersOf)).toEqual([
      [3, 1],
      [7, 3, 11, 5],
      [15, 7],
    ]);
    expect(model.runs).toEqual([4]);
    expect(observer.queued).toBe(0);
  });

  it('cuts what is longer than a run may be, and puts it together again', async () => {
    const model = loader.add('m');
    const rows = Array.from({ length: 10 }, (_, i) => [i, 1]);
    const { item, outcome } = itemOf(rows);
    scheduler.submit('m', item);
    expect(numbersOf(await outcome)).toEqual(rows.flatMap(([a]) => [a! + 1, a!]));
    expect(model.runs).toEqual([4, 4, 2]);
  });

  it('tells how long the oldest batch of a run has waited, once where it is cut over several', async () => {
    loader.add('m');
    await pool.load('m');
    const first = itemOf(Array.from({ length: 5 }, () => [1, 1]));
    const second = itemOf([[2, 2]]);
    scheduler.submit('m', first.item);
    nowMs = 30;
    scheduler.submit('m', second.item);
    nowMs = 40;
    await Promise.all([first.outcome, second.outcome]);
    expect(observer.waits).toEqual([0.04]);
  });

  it('lets models take turns', async () => {
    const order: string[] = [];
    for (const name of ['busy', 'other']) loader.add(name).onRun = () => order.push(name);
    await Promise.all([pool.load('busy'), pool.load('other')]);
    const long = itemOf(Array.from({ length: 16 }, () => [1, 1]));
    const short = itemOf([[2, 2]]);
    scheduler.submit('busy', long.item);
    scheduler.submit('other', short.item);
    await Promise.all([long.outcome, short.outcome]);
    expect(order).toEqual(['busy', 'other', 'busy', 'busy', 'busy']);
  });

  it('takes what arrives during a run into the next', async () => {
    const model = loader.add('m');
    await pool.load('m');
    const late = [itemOf([[1, 1]]), itemOf([[2, 2]])];
    model.onRun = () => {
      if (model.runs.length === 1) for (const { item } of late) scheduler.submit('m', item);
    };
    const first = itemOf([[0, 0]]);
    scheduler.submit('m', first.item);
    await Promise.all([first, ...late].map(({ outcome }) => outcome));
    expect(model.runs).toEqual([1, 2]);
  });

  it('drops what is older than its timeout before the run', async () => {
    const model = loader.add('m');
    const old = itemOf([[1, 1]], { expiresAtMs: 5 });
    const fresh = itemOf([[2, 2]], { expiresAtMs: 50 });
    scheduler.submit('m', old.item);
    scheduler.submit('m', fresh.item);
    nowMs = 5;
    await expect(old.outcome).resolves.toMatchObject({ ok: false, code: 'deadline' });
    expect(numbersOf(await fresh.outcome)).toEqual([4, 2]);
    expect(model.runs).toEqual([1]);
  });

  it('neither runs nor answers what nobody waits for', async () => {
    const model = loader.add('m');
    const gone = itemOf([[1, 1]], { isAbandoned: () => true });
    const waited = itemOf([[2, 2]]);
    scheduler.submit('m', gone.item);
    scheduler.submit('m', waited.item);
    await waited.outcome;
    expect(model.runs).toEqual([1]);
    expect(gone.answers).toEqual([]);
    expect(observer.queued).toBe(0);
  });

  it('names a wrong width and a wrong length, and runs the others', async () => {
    loader.add('m');
    const wide = itemOf([[1, 2, 3]]);
    const short = itemOf([[1, 2]], { input: Buffer.alloc(4) });
    const right = itemOf([[1, 2]]);
    for (const { item } of [wide, short, right]) scheduler.submit('m', item);
    await expect(wide.outcome).resolves.toMatchObject({ code: 'bad-shape', message: 'features: 3; model m reads 2' });
    await expect(short.outcome).resolves.toMatchObject({
      code: 'bad-shape',
      message: 'input: 4 bytes; 1 rows of 2 float32 are 8',
    });
    expect(numbersOf(await right.outcome)).toEqual([3, 1]);
  });

  it('answers no rows with no rows', async () => {
    const model = loader.add('m');
    const { item, outcome } = itemOf([]);
    scheduler.submit('m', item);
    await expect(outcome).resolves.toMatchObject({ ok: true, columns: 2 });
    expect(model.runs).toEqual([]);
  });

  it('refuses what is over the bound of its model, and no other model', async () => {
    loader.add('full', new FakeModel(2, 64));
    loader.add('other');
    const many = Array.from({ length: maxQueuedRows }, () => [1, 1]);
    const [first, second, other] = [itemOf(many), itemOf([[1, 1]]), itemOf([[1, 1]])];
    scheduler.submit('full', first.item);
    scheduler.submit('full', second.item);
    scheduler.submit('other', other.item);
    await expect(second.outcome).resolves.toMatchObject({ code: 'overloaded' });
    await expect(first.outcome).resolves.toMatchObject({ ok: true });
    await expect(other.outcome).resolves.toMatchObject({ ok: true });
  });

  it('takes one item over the bound into an empty queue', async () => {
    loader.add('m', new FakeModel(2, 64));
    const { item, outcome } = itemOf(Array.from({ length: maxQueuedRows + 1 }, () => [1, 1]));
    scheduler.submit('m', item);
    await expect(outcome).resolves.toMatchObject({ ok: true });
  });

  it('answers everybody once when a run fails, and goes on', async () => {
    const model = loader.add('m');
    model.failure = new Error('no memory');
    const long = itemOf(Array.from({ length: 9 }, () => [1, 1]));
    scheduler.submit('m', long.item);
    await expect(long.outcome).resolves.toMatchObject({ code: 'run-failed', message: 'model m: no memory' });
    model.failure = undefined;
    const next = itemOf([[1, 1]]);
    scheduler.submit('m', next.item);
    await expect(next.outcome).resolves.toMatchObject({ ok: true });
    expect(long.answers).toHaveLength(1);
    expect(observer.queued).toBe(0);
  });

  it('says that a model does not exist to all who ask for it', async () => {
    const asked = [itemOf([[1, 1]]), itemOf([[1, 1]])];
    for (const { item } of asked) scheduler.submit('none', item);
    for (const { outcome } of asked) await expect(outcome).resolves.toMatchObject({ code: 'model-not-found' });
    expect(loader.loads).toEqual(['none']);
    expect(observer.queued).toBe(0);
  });

  it('counts cells that are no finite numbers, and answers them as they are', async () => {
    loader.add('m');
    const { item, outcome } = itemOf([[NaN, 1]]);
    scheduler.submit('m', item);
    expect(numbersOf(await outcome)).toEqual([NaN, NaN]);
    expect(observer.nonFiniteCells).toBe(2);
  });

  it('runs tensors by name alone, in turn with rows', async () => {
    const model = loader.add('m');
    await pool.load('m');
    const tensors = [{ name: 'input', datatype: 'FP32', shape: [1, 2], data: Buffer.alloc(8) }];
    const [before, after] = [itemOf([[1, 2]]), itemOf([[3, 4]])];
    const alone = itemOf([[0, 0]]);
    const late = itemOf([[0, 0]], { expiresAtMs: 0 });
    for (const item of [before.item, { ...alone.item, tensors }, { ...late.item, tensors }, after.item])
      scheduler.submit('m', item);
    expect(await alone.outcome).toMatchObject({ ok: true, tensors });
    expect(await late.outcome).toMatchObject({ code: 'deadline' });
    expect(numbersOf(await after.outcome)).toEqual([7, 3]);
    expect({ runs: model.runs, tensorRuns: model.tensorRuns, queued: observer.queued }).toEqual({
      runs: [1, 1],
      tensorRuns: 1,
      queued: 0,
    });
  });

  it('does not release a model under a run', async () => {
    const model = loader.add('m');
    await pool.load('m');
    const { item, outcome } = itemOf([[1, 1]]);
    scheduler.submit('m', item);
    pool.unload('m');
    await expect(outcome).resolves.toMatchObject({ ok: true });
    await new Promise((resolve) => setImmediate(resolve));
    expect(model.released).toBe(1);
  });

  describe('with several instances', () => {
    /** Runs of it that have begun, each to be ended by whoever likes. */
    class SlowModel extends FakeModel {
      readonly begun: (() => void)[] = [];
      override async run(input: Float32Array, rows: number) {
        await new Promise<void>((resolve) => this.begun.push(resolve));
        return super.run(input, rows);
      }
    }
    const turns = async (): Promise<void> => {
      for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
    };

    beforeEach(() => {
      scheduler = new BatchScheduler(pool, maxQueuedRows, observer, () => nowMs, 2);
    });

    it('runs rows of one model at the same time, and no more runs than there are instances', async () => {
      const model = new SlowModel();
      loader.add('m', model);
      await pool.load('m');
      const rows = Array.from({ length: 12 }, (_, i) => [i, 1]);
      const long = itemOf(rows);
      scheduler.submit('m', long.item);
      await turns();
      expect(model.begun.length).toBe(2);
      model.begun[1]!(); // the second part is ready first
      await turns();
      expect(model.begun.length).toBe(3);
      for (const end of model.begun) end();
      expect(numbersOf(await long.outcome)).toEqual(rows.flatMap(([a]) => [a! + 1, a!]));
      expect(model.runs).toEqual([4, 4, 4]);
      expect(observer.queued).toBe(0);
    });

    it('gives what arrives during a run to an instance that is free, of the same model and of another', async () => {
      const model = new SlowModel();
      loader.add('m', model);
      loader.add('other');
      await Promise.all([pool.load('m'), pool.load('other')]);
      const [first, other, second] = [itemOf([[1, 1]]), itemOf([[2, 2]]), itemOf([[3, 3]])];
      scheduler.submit('m', first.item);
      await turns();
      scheduler.submit('other', other.item);
      expect(numbersOf(await other.outcome)).toEqual([4, 2]);
      scheduler.submit('m', second.item);
      await turns();
      expect(model.begun.length).toBe(2);
      model.begun[1]!();
      expect(numbersOf(await second.outcome)).toEqual([6, 3]);
      pool.unload('m');
      expect(model.released).toBe(0); // the first still runs
      model.begun[0]!();
      expect(numbersOf(await first.outcome)).toEqual([2, 1]);
      await turns();
      expect(model.released).toBe(1);
    });

    it('answers a batch once when two of its runs fail', async () => {
      const model = loader.add('m');
      await pool.load('m');
      model.failure = new Error('broken');
      const long = itemOf(Array.from({ length: 8 }, () => [1, 1]));
      scheduler.submit('m', long.item);
      await long.outcome;
      await turns();
      expect(long.answers).toEqual([expect.objectContaining({ code: 'run-failed' })]);
      model.failure = undefined;
      const next = itemOf([[1, 2]]);
      scheduler.submit('m', next.item);
      expect(numbersOf(await next.outcome)).toEqual([3, 1]);
    });
  });
});
