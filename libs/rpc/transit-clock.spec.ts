import { describe, expect, it } from '@jest/globals';
import { TransitClock } from './transit-clock.js';

/** The sender's clock is this much behind. */
const apartMs = 5_000_000;

function clock() {
  const transit = new TransitClock();
  return (sentMs: number, tookMs: number): number => transit.waitedMs(sentMs, sentMs + apartMs + tookMs);
}

describe('TransitClock', () => {
  it('says how much longer than the fastest a message was on the way, whatever the clocks say', () => {
    const waited = clock();
    expect([waited(100, 3), waited(110, 2), waited(120, 502), waited(130, 2)]).toEqual([0, 0, 500, 0]);
  });

  it('knows the fastest from before a pause that is longer than its window', () => {
    const waited = clock();
    waited(100, 2);
    expect([waited(1_000, 120_002), waited(60_000, 61_002), waited(121_000, 2)]).toEqual([120_000, 61_000, 0]);
  });

  it('takes a clock that runs faster for no delay that grows for ever', () => {
    const waited = clock();
    // A tenth of a second a minute, one message a second, for two hours.
    const delays = Array.from({ length: 7_200 }, (_, i) => waited(1_000 + i * 1_000, 2 + i / 0.6 / 1_000));
    expect(Math.max(...delays)).toBeLessThanOrEqual(20);
  });

  it('a clock that jumps is forgotten within ten seconds', () => {
    const transit = new TransitClock();
    const waited = (sentMs: number, jumpMs: number) => transit.waitedMs(sentMs, sentMs + 2 + jumpMs);
    for (let sentMs = 1_000; sentMs < 20_000; sentMs += 100) expect(waited(sentMs, 0)).toBe(0);
    const delays = Array.from({ length: 150 }, (_, i) => waited(20_000 + i * 100, 3_000));
    expect([delays[0], delays.lastIndexOf(3_000) <= 100]).toEqual([3_000, true]);
    expect(delays.at(-1)).toBe(0);
  });

  it('says nothing of a message that does not tell when it was sent', () => {
    expect(new TransitClock().waitedMs(0, 10)).toBe(0);
  });
});
