import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeLoader, RecordingObserver } from '../../test/fakes.js';
import { ModelPool } from './model-pool.js';

describe('ModelPool', () => {
  let nowMs: number;
  let loader: FakeLoader;
  let pool: ModelPool;

  beforeEach(() => {
    nowMs = 0;
    loader = new FakeLoader();
    for (const name of ['a', 'b', 'c', 'd']) loader.add(name);
    pool = new ModelPool(loader, { maxModels: 2, maxBytes: 100 }, new RecordingObserver(), () => nowMs);
  });

  const loaded = (): string[] => ['a', 'b', 'c', 'd'].filter((name) => pool.has(name));
  const loadAll = async (...names: string[]): Promise<void> => {
    for (const name of names) await pool.load(name);
  };

  it('shares one load', async () => {
    const [one, other] = await Promise.all([pool.load('a'), pool.load('a')]);
    expect(one).toBe(other);
    await pool.load('a');
    expect(loader.loads).toEqual(['a']);
  });

  it('releases the least recently used', async () => {
    await loadAll('a', 'b', 'a', 'c');
    expect(loaded()).toEqual(['a', 'c']);
    expect(loader.models.get('b')?.released).toBe(1);
  });

  it('releases as many as make room for a large one, those that routes name last', async () => {
    loader.models.get('c')!.memoryBytes = 80;
    loader.models.get('b')!.memoryBytes = 30;
    pool.setLive(new Set(['a']));
    await loadAll('a', 'b', 'c');
    expect(loaded()).toEqual(['a', 'c']);
    loader.models.get('d')!.memoryBytes = 95;
    await loadAll('d');
    expect(loaded()).toEqual(['d']);
  });

  it('keeps what is loaded where a load fails', async () => {
    await loadAll('a', 'b', 'missing');
    expect(loaded()).toEqual(['a', 'b']);
  });

  it('keeps a live model while another can go', async () => {
    pool.setLive(new Set(['a']));
    await loadAll('a', 'b', 'c');
    expect(loaded()).toEqual(['a', 'c']);
  });

  it('lets a live model go when all are live', async () => {
    pool.setLive(new Set(['a', 'b', 'c']));
    await loadAll('a', 'b', 'c');
    expect(loaded()).toEqual(['b', 'c']);
  });

  it('passes the bound rather than release what is being run, until it is given back', async () => {
    await loadAll('a', 'b');
    const leases = [pool.lease('a'), pool.lease('b')];
    await loadAll('c');
    expect(loaded()).toEqual(['a', 'b', 'c']);
    leases[0]?.giveBack();
    expect(loaded()).toEqual(['b', 'c']);
    expect(loader.models.get('a')?.released).toBe(1);
  });

  it('tries a model that failed again after a second, not before', async () => {
    await expect(pool.load('e')).resolves.toMatchObject({ code: 'model-not-found' });
    loader.add('e');
    nowMs = 999;
    await expect(pool.load('e')).resolves.toMatchObject({ ok: false });
    nowMs = 1_000;
    await expect(pool.load('e')).resolves.toMatchObject({ ok: true });
    expect(loader.loads).toEqual(['e', 'e']);
  });

  it('turns a loader that throws into an outcome', async () => {
    loader.load = () => Promise.reject(new Error('disk on fire'));
    await expect(pool.load('a')).resolves.toEqual({
      ok: false,
      code: 'run-failed',
      message: 'model a could not be loaded: disk on fire',
    });
  });
});
