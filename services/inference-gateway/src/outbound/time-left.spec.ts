import { describe, expect, it } from '@jest/globals';
import { LateRequest } from '../domain/late-request.js';
import { lastWanted, stillWanted, type Timed, timeLeft } from './time-left.js';

const asked = (untilMs: number): Timed & { error?: unknown } => ({
  untilMs,
  reject(error: unknown) {
    this.error = error;
  },
});

describe('the time that callers leave', () => {
  it('questions that nobody waits for any more are rejected, and the others go on', () => {
    const [late, open, endless] = [asked(Date.now() - 1), asked(Date.now() + 10_000), asked(Infinity)];
    expect(stillWanted([late, open, endless], 'as it waited')).toEqual([open, endless]);
    expect(late.error).toBeInstanceOf(LateRequest);
    expect(late.error).toMatchObject({
      code: 'deadline-exceeded',
      message: 'the deadline had passed as it waited',
    });
    expect([open.error, endless.error]).toEqual([undefined, undefined]);
  });

  it('nothing is copied where nothing is late', () => {
    const questions = [asked(Date.now() + 10_000), asked(Infinity)];
    expect(stillWanted(questions, '')).toBe(questions);
  });

  it('of several the one that has the most left counts, and the setting is the most', () => {
    const nowMs = Date.now();
    expect(lastWanted([asked(nowMs + 5), asked(nowMs + 50), asked(nowMs)])).toBe(nowMs + 50);
    expect(lastWanted([asked(nowMs + 5), asked(Infinity)])).toBe(Infinity);
    expect(timeLeft(Infinity, 1_000, '')).toBe(1_000);
    expect(timeLeft(Date.now() + 10_000, 1_000, '')).toBe(1_000);
    const leftMs = timeLeft(Date.now() + 200.5, 1_000, '');
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(201);
    expect(() => timeLeft(Date.now(), 1_000, 'then')).toThrow(LateRequest);
  });
});
