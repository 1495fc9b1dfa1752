import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { Rest } from './rest.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** How many rests have ended. */
function counted(rest: Rest): { ended: number; take(): Promise<void> } {
  const count = { ended: 0, take: async () => rest.take(1_000).then(() => void (count.ended += 1)) };
  return count;
}

it('takes so long, and not longer', async () => {
  const rest = counted(new Rest());
  const taken = rest.take();
  await jest.advanceTimersByTimeAsync(999);
  expect(rest.ended).toBe(0);
  await jest.advanceTimersByTimeAsync(1);
  await taken;
  expect(rest.ended).toBe(1);
});

it('is ended by a wake, and one that came before it lets it not begin, once', async () => {
  const one = new Rest();
  const rest = counted(one);
  const taken = rest.take();
  one.wake();
  await taken;
  expect(jest.getTimerCount()).toBe(0);
  one.wake();
  one.wake();
  await rest.take();
  void rest.take();
  await jest.advanceTimersByTimeAsync(999);
  expect(rest.ended).toBe(2);
});

it('is not taken any more after the end, which ends one that is', async () => {
  const one = new Rest();
  const taken = one.take(1_000);
  one.end();
  await taken;
  for (let i = 0; i < 3; i++) await one.take(1_000);
  expect(jest.getTimerCount()).toBe(0);
});
