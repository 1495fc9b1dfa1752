import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type EvictionReason, ResponseCache } from './response-cache.js';

const policy = { ttlMs: 1_000, maxEntries: 3 };
let nowMs: number;
let evicted: EvictionReason[];
beforeEach(() => {
  [nowMs, evicted] = [0, []];
});

function cacheOf(maxBytes = 1_000_000): ResponseCache {
  const observer = { looked: () => {}, evicted: (reason: EvictionReason) => void evicted.push(reason) };
  return new ResponseCache(maxBytes, observer, () => nowMs);
}

describe('a response cache', () => {
  it('gives an answer again until its time is over, and never afterwards', () => {
    const cache = cacheOf();
    cache.put('e', policy, 'k', 0.5, 8);
    nowMs = 999;
    expect(cache.get('e', 'k')).toBe(0.5);
    nowMs = 1_000;
    expect(cache.get('e', 'k')).toBeUndefined();
    expect([cache.entries, cache.bytes, evicted]).toEqual([0, 0, ['expired']]);
  });

  it('an answer that was used does not live longer for it', () => {
    const cache = cacheOf();
    cache.put('e', policy, 'k', 0.5, 8);
    for (nowMs = 100; nowMs < 1_000; nowMs += 100) expect(cache.get('e', 'k')).toBe(0.5);
    expect(cache.get('e', 'k')).toBeUndefined();
  });

  it("keeps as many as the endpoint says, and forgets the least recently used of that endpoint's first", () => {
    const cache = cacheOf();
    cache.put('other', policy, 'k', 9, 8);
    for (const key of ['a', 'b', 'c']) cache.put('e', policy, key, 1, 8);
    cache.get('e', 'a');
    cache.put('e', policy, 'd', 1, 8);
    expect(['a', 'b', 'c', 'd'].map((key) => cache.get('e', key))).toEqual([1, undefined, 1, 1]);
    expect(cache.get('other', 'k')).toBe(9);
    expect(evicted).toEqual(['entries']);
  });

  it('holds no more bytes than it may, and forgets the least recently used of all endpoints first', () => {
    const cache = cacheOf(3_700);
    cache.put('one', policy, 'a', 1, 1_000);
    cache.put('two', policy, 'b', 2, 1_000);
    cache.put('one', policy, 'c', 3, 1_000);
    cache.get('one', 'a');
    cache.put('two', policy, 'd', 4, 1_000);
    expect(cache.bytes).toBeLessThanOrEqual(3_700);
    expect([cache.get('one', 'a'), cache.get('two', 'b'), cache.get('one', 'c'), cache.get('two', 'd')]).toEqual([
      1,
      undefined,
      3,
      4,
    ]);
    expect(evicted).toEqual(['bytes']);
  });

  it('a large answer pushes out as many as it needs the room of, and one that has no room is not kept', () => {
    const cache = cacheOf(2_000);
    cache.put('e', policy, 'a', 1, 500);
    cache.put('e', policy, 'b', 2, 500);
    cache.put('e', policy, 'c', 3, 1_700);
    expect([cache.entries, evicted]).toEqual([1, ['bytes', 'bytes']]);
    cache.put('e', policy, 'd', 4, 2_000);
    expect([cache.get('e', 'c'), cache.get('e', 'd')]).toEqual([3, undefined]);
  });

  it('of the same content the newer answer stands, and is counted once', () => {
    const cache = cacheOf();
    cache.put('e', policy, 'k', 1, 8);
    const { bytes } = cache;
    cache.put('e', policy, 'k', 2, 8);
    expect([cache.get('e', 'k'), cache.bytes, cache.entries, evicted]).toEqual([2, bytes, 1, []]);
  });

  it('that may hold nothing keeps nothing', () => {
    const cache = cacheOf(0);
    cache.put('e', policy, 'k', 1, 8);
    expect([cache.get('e', 'k'), cache.bytes]).toEqual([undefined, 0]);
  });
});

/** The same by a plain list, the least recently used first. */
class ListOracle {
  readonly kept: { endpoint: string; key: string; value: number; bytes: number; untilMs: number }[] = [];

  constructor(private readonly maxBytes: number) {}

  get bytes(): number {
    return this.kept.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  take(endpoint: string, key: string): ListOracle['kept'][number] | undefined {
    const at = this.kept.findIndex((one) => one.endpoint === endpoint && one.key === key);
    return at < 0 ? undefined : this.kept.splice(at, 1)[0];
  }

  get(endpoint: string, key: string): number | undefined {
    const found = this.take(endpoint, key);
    if (found === undefined || nowMs >= found.untilMs) return undefined;
    this.kept.push(found);
    return found.value;
  }

  put(endpoint: string, key: string, value: number, bytes: number): void {
    if (bytes > this.maxBytes) return;
    this.take(endpoint, key);
    this.kept.push({ endpoint, key, value, bytes, untilMs: nowMs + policy.ttlMs });
    const mine = this.kept.filter((one) => one.endpoint === endpoint);
    if (mine.length > policy.maxEntries) this.take(endpoint, mine[0]!.key);
    while (this.bytes > this.maxBytes) this.kept.shift();
  }
}

it('whatever is asked and kept in whatever order, it gives what a plain list would give', () => {
  const name = fc.constantFrom('e', 'f', 'g');
  const step = fc.record({
    endpoint: name,
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    put: fc.boolean(),
    bytes: fc.integer({ min: 0, max: 900 }),
    passesMs: fc.constantFrom(0, 0, 0, 300),
  });
  const run = (steps: readonly { endpoint: string; key: string; put: boolean; bytes: number; passesMs: number }[]) => {
    nowMs = 0;
    const [cache, oracle] = [cacheOf(2_500), new ListOracle(2_500)];
    const overhead = overheadOf();
    steps.forEach(({ endpoint, key, put, bytes, passesMs }, i) => {
      nowMs += passesMs;
      if (put) {
        cache.put(endpoint, policy, key, i, bytes);
        oracle.put(endpoint, key, i, bytes + overhead);
      } else expect(cache.get(endpoint, key)).toBe(oracle.get(endpoint, key));
      expect([cache.bytes, cache.entries]).toEqual([oracle.bytes, oracle.kept.length]);
    });
  };
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), run), { seed: 20261126, numRuns: 500 });
});

/** What an entry of an empty value and a key of one character takes. */
function overheadOf(): number {
  const cache = cacheOf();
  cache.put('e', policy, 'k', 0, 0);
  return cache.bytes;
}
