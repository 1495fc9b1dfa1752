import { describe, expect, it } from '@jest/globals';
import { dueTime } from './due-time.js';

const at = (text: string): number => Date.parse(text);
const due = (schedule: string, after: string, until: string): string | undefined => {
  const found = dueTime(schedule, at(after), at(until));
  return found === undefined ? undefined : new Date(found).toISOString();
};

describe('a schedule', () => {
  it('is due once its time has come, in UTC, and not again', () => {
    expect(due('0 3 * * *', '2026-03-02T02:59:59.900Z', '2026-03-02T02:59:59.999Z')).toBeUndefined();
    expect(due('0 3 * * *', '2026-03-02T02:59:59.999Z', '2026-03-02T03:00:00.000Z')).toBe('2026-03-02T03:00:00.000Z');
    expect(due('0 3 * * *', '2026-03-02T02:59:59Z', '2026-03-02T03:00:04.321Z')).toBe('2026-03-02T03:00:00.000Z');
    expect(due('0 3 * * *', '2026-03-02T03:00:00.000Z', '2026-03-02T03:00:05Z')).toBeUndefined();
  });

  it('counts only the newest of several times that passed', () => {
    expect(due('*/10 * * * *', '2026-03-02T01:00:00Z', '2026-03-02T03:05:00Z')).toBe('2026-03-02T03:00:00.000Z');
  });

  it('keeps to UTC where clocks are put forward', () => {
    expect(due('30 2 * * *', '2026-03-29T00:00:00Z', '2026-03-29T02:31:00Z')).toBe('2026-03-29T02:30:00.000Z');
  });

  it('is due every time exactly once, however one looks', () => {
    const found: number[] = [];
    let after = at('2026-03-02T00:00:00Z');
    for (let i = 1; i <= 1_000; i++) {
      const now = after + ((i * 7_919) % 13_000);
      const one = dueTime('*/5 * * * *', after, now);
      if (one !== undefined) found.push(one);
      after = now;
    }
    const expected: number[] = [];
    for (let t = at('2026-03-02T00:05:00Z'); t <= after; t += 300_000) expected.push(t);
    expect(found).toEqual(expected);
  });
});
