import { beforeEach, describe, expect, it } from '@jest/globals';
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
    const cache = cacheOf(3 * 1_200);
    cache.put('one', policy, 'a', 1, 1_000);
    cache.put('two', policy, 'b', 2, 1_000);
    cache.put('one', policy, 'c', 3, 1_000);
    cache.get('one', 'a');
    cache.put('two', policy, 'd', 4, 1_000);
    expect(cache.bytes).toBeLessThanOrEqual(3_600);
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
    cache.put('e', policy, 'c', 3, 1_800);
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
