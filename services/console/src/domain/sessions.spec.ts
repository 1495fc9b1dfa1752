import { describe, expect, it } from '@jest/globals';
import { type Session, Sessions } from './sessions.js';

const someone = { name: 'someone', roles: ['analyst'] };

function setUp(idleMs = 1_000) {
  const clock = { nowMs: 1_000_000 };
  const sessions = new Sessions(idleMs, () => clock.nowMs);
  const ended: Session[] = [];
  sessions.onEnd((session) => ended.push(session));
  return { clock, sessions, ended };
}

describe('sessions', () => {
  it('are found by what the cookie holds, which says nothing by itself', () => {
    const { sessions } = setUp();
    const ids = Array.from({ length: 100 }, () => sessions.start(someone, 'Bearer secret-token'));
    expect(new Set(ids).size).toBe(100);
    expect(ids[0]).toMatch(/^[\w-]{43}$/);
    expect(sessions.find(ids[0]!)).toMatchObject({ name: 'someone', authorization: 'Bearer secret-token' });
    expect(sessions.find(`${ids[0]!.slice(0, -1)}!`)).toBeUndefined();
  });

  it('end when nothing was asked for long enough, and each request begins that anew', () => {
    const { clock, sessions, ended } = setUp();
    const id = sessions.start(someone, 'Bearer t');
    clock.nowMs += 999;
    expect(sessions.find(id)).toBeDefined();
    clock.nowMs += 999;
    expect(sessions.find(id)).toBeDefined();
    clock.nowMs += 1_000;
    expect(sessions.find(id)).toBeUndefined();
    expect(ended).toHaveLength(1);
    expect(sessions.size).toBe(0);
  });

  it('end after twelve idle times, however busy', () => {
    const { clock, sessions } = setUp();
    const id = sessions.start(someone, 'Bearer t');
    let found = 0;
    for (; found < 100 && sessions.find(id) !== undefined; found += 1) clock.nowMs += 900;
    expect(found * 900).toBeGreaterThanOrEqual(12_000);
    expect(found * 900).toBeLessThan(13_000);
  });

  it('are at most 1,000: the one that was idle longest makes room, and hears of it', () => {
    const { clock, sessions, ended } = setUp(1_000_000);
    const first = sessions.start({ name: 'first', roles: [] }, 'Bearer t');
    const second = sessions.start({ name: 'second', roles: [] }, 'Bearer t');
    for (let i = 2; i < 1_000; i += 1) sessions.start(someone, 'Bearer t');
    clock.nowMs += 1;
    expect(sessions.find(first)).toBeDefined();
    sessions.start(someone, 'Bearer t');
    expect(sessions.size).toBe(1_000);
    expect(ended.map(({ name }) => name)).toEqual(['second']);
    expect(sessions.find(second)).toBeUndefined();
    expect(sessions.find(first)).toBeDefined();
  });

  it('end at once when somebody signs out', () => {
    const { sessions, ended } = setUp();
    const id = sessions.start(someone, 'Bearer t');
    sessions.end(id);
    sessions.end(id);
    expect(sessions.find(id)).toBeUndefined();
    expect(ended).toHaveLength(1);
  });
});
