import { describe, expect, it } from '@jest/globals';
import { type ErrorCode, MillraceError } from '#libs/errors/millrace-error.js';
import { askUntilAnswered } from './retry.js';

function clockOf(random: number): {
  nowMs(): number;
  sleep(ms: number): Promise<void>;
  random(): number;
  waits: number[];
} {
  let nowMs = 0;
  const waits: number[] = [];
  return {
    waits,
    nowMs: () => nowMs,
    random: () => random,
    sleep: async (ms) => {
      waits.push(ms);
      nowMs += ms;
    },
  };
}

const failing = (times: number, code: ErrorCode, retryAfterMs?: number): (() => Promise<string>) => {
  let calls = 0;
  return async () => {
    calls += 1;
    if (calls > times) return 'answered';
    throw new MillraceError(code, 'no', retryAfterMs === undefined ? {} : { retryAfterMs });
  };
};

describe('what is asked until it is answered', () => {
  it.each(['resource-exhausted', 'unavailable', 'deadline-exceeded'] as const)(
    '%s passes: it is asked again after a random part of a time that doubles, up to 10 s',
    async (code) => {
      const clock = clockOf(0.5);
      expect(await askUntilAnswered(failing(9, code), { clock, giveUpAfterMs: 1e6 })).toBe('answered');
      expect(clock.waits).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    },
  );

  it('waits no less than the server says', async () => {
    const clock = clockOf(0);
    await askUntilAnswered(failing(2, 'resource-exhausted', 1_234), { clock, giveUpAfterMs: 1e6 });
    expect(clock.waits).toEqual([1_234, 1_234]);
  });

  it('is given up after its time, and says so', async () => {
    const clock = clockOf(0.999);
    const asked = askUntilAnswered(failing(1e9, 'unavailable'), { clock, giveUpAfterMs: 60_000 });
    await expect(asked).rejects.toMatchObject({
      code: 'unavailable',
      message: 'no (asked again for 60 s; what is done is kept, and the same command goes on)',
    });
    expect(clock.nowMs()).toBeLessThanOrEqual(60_000);
    expect(clock.nowMs()).toBeGreaterThan(45_000);
  });

  it('is not asked again where the server says so, or where it would be refused again', async () => {
    const clock = clockOf(0.5);
    await expect(
      askUntilAnswered(failing(1, 'resource-exhausted', -1), { clock, giveUpAfterMs: 1e6 }),
    ).rejects.toMatchObject({ code: 'resource-exhausted' });
    for (const code of ['invalid-argument', 'not-found', 'permission-denied', 'internal'] as const)
      await expect(askUntilAnswered(failing(1, code), { clock, giveUpAfterMs: 1e6 })).rejects.toMatchObject({ code });
    expect(clock.waits).toEqual([]);
  });
});
