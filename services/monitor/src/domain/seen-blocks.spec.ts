import { expect, it } from '@jest/globals';
import { SeenBlocks } from './seen-blocks.js';

it('takes each block of each log once, whatever comes again, and over restarts', () => {
  const seen = new SeenBlocks('');
  expect([1, 2, 2, 1, 3].map((sequence) => seen.add('a', sequence))).toEqual([true, true, false, false, true]);
  expect(seen.add('b', 1)).toBe(true);
  const again = new SeenBlocks(seen.carried());
  expect([again.add('a', 3), again.add('a', 4), again.add('b', 1)]).toEqual([false, true, false]);
});

it('carries no more than fits beside a position', () => {
  const seen = new SeenBlocks('');
  for (let log = 0; log < 500; log++) seen.add(`${log}`.padStart(12, '0'), 2 ** 40 + log);
  expect(seen.carried().length).toBeLessThan(3_000);
  expect(seen.add('000000000499', 1)).toBe(false);
});
