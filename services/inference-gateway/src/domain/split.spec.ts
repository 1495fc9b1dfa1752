import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { answers, murmur3 } from './split.js';

const percents = fc.double({ min: 0, max: 100, noNaN: true });
const keys = Array.from({ length: 100_000 }, (_, i) => `flight-${i}`);

/** Whether `seen` of n lies within 5 sigma of a binomial's mean. */
function expectShare(seen: number, n: number, share: number): void {
  expect(Math.abs(seen - n * share)).toBeLessThanOrEqual(5 * Math.sqrt(n * share * (1 - share)));
}

describe('the split of keys', () => {
  it('hashes as the published murmur3 does', () => {
    const vectors: [string, number, number][] = [
      ['', 0, 0],
      ['', 1, 0x514e28b7],
      ['test', 0, 0xba6bd213],
      ['Hello, world!', 0, 0xc0363e43],
      ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
      ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
    ];
    for (const [text, seed, hash] of vectors) expect(murmur3(Buffer.from(text), seed)).toBe(hash);
  });

  it('gives a key the same arm each time, and a larger percent only adds keys', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), percents, percents, (rollout, key, a, b) => {
        const [small, large] = [Math.min(a, b), Math.max(a, b)];
        expect(answers(rollout, key, a)).toBe(answers(rollout, key, a));
        if (answers(rollout, key, small)) expect(answers(rollout, key, large)).toBe(true);
      }),
      { seed: 1 },
    );
  });

  it('gives nothing at 0, every key at 100, and an empty key to nobody but the live version', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1 }), percents, (rollout, key, percent) => {
        expect(answers(rollout, key, 0)).toBe(false);
        expect(answers(rollout, key, 100)).toBe(true);
        expect(answers(rollout, '', percent)).toBe(false);
      }),
      { seed: 2 },
    );
  });

  it.each([0.1, 1, 5, 25, 50, 90])('takes %d %% of 100,000 keys, within 5 sigma', (percent) => {
    expectShare(keys.filter((key) => answers('r1', key, percent)).length, keys.length, percent / 100);
  });

  it('is independent from one rollout to the next, ids that differ in one character too', () => {
    const both = keys.filter((key) => answers('r1', key, 20) && answers('r2', key, 30)).length;
    expectShare(both, keys.length, 0.2 * 0.3);
  });
});
