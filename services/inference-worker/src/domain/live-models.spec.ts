import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeLoader, RecordingObserver } from '../../test/fakes.js';
import { LiveModels } from './live-models.js';
import { ModelPool } from './model-pool.js';

const ref = (sha256: string): { name: string; sha256: string } => ({ name: `model-${sha256}`, sha256 });

describe('LiveModels', () => {
  let loader: FakeLoader;
  let pool: ModelPool;
  let problems: string[];
  let liveModels: LiveModels;

  beforeEach(() => {
    loader = new FakeLoader();
    for (const name of ['a', 'b', 'c']) loader.add(name);
    pool = new ModelPool(loader, { maxModels: 16, maxBytes: Infinity }, new RecordingObserver(), () => 0);
    problems = [];
    liveModels = new LiveModels(pool, (model, problem) => problems.push(`${model.name} ${problem}`));
  });

  it('loads at start what is live, each once, and not the other versions', async () => {
    for (const name of ['a', 'b', 'c']) liveModels.setVersion(`m@${name}`, ref(name));
    liveModels.setRoute('one', [ref('a')]);
    liveModels.setRoute('two', [ref('a')]);
    liveModels.setRoute('three', []);
    expect(loader.loads).toEqual([]);
    await liveModels.start();
    expect(loader.loads).toEqual(['a']);
  });

  it('loads, once started, what goes live and what is newly registered', async () => {
    await liveModels.start();
    liveModels.setVersion('m@1', ref('a'));
    liveModels.setVersion('m@1', ref('a'));
    liveModels.setRoute('one', [ref('b')]);
    await Promise.all([pool.load('a'), pool.load('b')]);
    expect(loader.loads).toEqual(['a', 'b']);
  });

  it('unloads a deleted version unless an endpoint or another version has the same bytes', async () => {
    for (const name of ['a', 'b', 'c']) liveModels.setVersion(`m@${name}`, ref(name));
    liveModels.setVersion('copy@1', ref('b'));
    liveModels.setRoute('one', [ref('a')]);
    await Promise.all(['a', 'b', 'c'].map((name) => pool.load(name)));
    for (const name of ['a', 'b', 'c']) liveModels.setVersion(`m@${name}`, undefined);
    expect(['a', 'b', 'c'].filter((name) => pool.has(name))).toEqual(['a', 'b']);
  });

  it('loads the candidate and the version before too, after what is live, and keeps them as it', async () => {
    for (const name of ['d', 'e', 'f']) loader.add(name);
    liveModels.setRoute('one', [ref('a'), ref('b'), ref('c')]);
    liveModels.setRoute('two', [ref('d'), ref('e')]);
    await liveModels.start();
    expect(loader.loads).toEqual(['a', 'd', 'b', 'e', 'c']);
    const small = new ModelPool(loader, { maxModels: 4, maxBytes: Infinity }, new RecordingObserver(), () => 0);
    const routed = new LiveModels(small, () => {});
    routed.setRoute('one', [ref('a'), ref('b'), ref('c')]);
    await routed.start();
    await small.load('f');
    await small.load('d');
    expect(['a', 'b', 'c', 'd', 'f'].filter((name) => small.has(name))).toEqual(['a', 'b', 'c', 'd']);
  });

  it('reports a live model that cannot be loaded, and loads the others', async () => {
    liveModels.setRoute('one', [ref('lost')]);
    liveModels.setRoute('two', [ref('b')]);
    await liveModels.start();
    expect(problems).toEqual(['model-lost model-not-found: no lost']);
    expect(pool.has('b')).toBe(true);
  });
});
