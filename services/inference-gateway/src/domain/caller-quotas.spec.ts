import { beforeEach, describe, expect, it } from '@jest/globals';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { CallerQuotas } from './caller-quotas.js';

const app = { name: 'app', roles: ['partner'] };
const quota = { role: 'partner', on: ['endpoints/late-*'], requestsPerSecond: 10, burst: 3 };
const policy = { name: 'fair', access: [], quotas: [quota] };

describe('CallerQuotas', () => {
  let nowMs: number;
  let quotas: CallerQuotas;
  beforeEach(() => {
    nowMs = 0;
    quotas = new CallerQuotas(() => nowMs);
    quotas.setPolicies([policy]);
  });

  const taken = (caller = app, endpoint = 'late-arrival', tries = 10): number => {
    for (let i = 0; i < tries; i++)
      try {
        quotas.take(caller, endpoint);
      } catch {
        return i;
      }
    return tries;
  };

  it('allows so many at once, and then as many as come in again', () => {
    expect(taken()).toBe(3);
    nowMs += 250;
    expect(taken()).toBe(2);
    nowMs += 60_000;
    expect(taken()).toBe(3);
  });

  it('says whose quota it is, of which policy, and when there is one again', () => {
    taken();
    nowMs += 30;
    const refusal = (() => {
      try {
        return quotas.take(app, 'late-arrival');
      } catch (error) {
        return error as MillraceError;
      }
    })();
    expect(refusal).toMatchObject({
      code: 'resource-exhausted',
      retryAfterMs: 70,
      message:
        'app has used up its quota: policy fair allows partner 10 requests a second on endpoints/late-*, 3 at once; there is one again in 70 ms',
    });
  });

  it('is of each caller, of endpoints that it names, and of roles that it names', () => {
    expect(taken()).toBe(3);
    expect(taken({ ...app, name: 'other' })).toBe(3);
    expect(taken({ name: 'app', roles: ['admin'] })).toBe(10);
    expect(taken(app, 'another')).toBe(10);
  });

  it('takes none of any where one is used up, and all are asked', () => {
    quotas.setPolicies([policy, { ...policy, name: 'strict', quotas: [{ ...quota, burst: 1, requestsPerSecond: 1 }] }]);
    expect(taken()).toBe(1);
    quotas.setPolicies([policy]);
    expect(taken()).toBe(3);
  });

  it('is over when its policy is, and remembers a bounded number of callers', () => {
    for (let i = 0; i < 20_000; i++) quotas.take({ ...app, name: `caller ${i}` }, 'late-arrival');
    expect(taken({ ...app, name: 'caller 19999' })).toBe(2);
    expect(taken({ ...app, name: 'caller 0' })).toBe(3);
    quotas.setPolicies([]);
    expect(taken()).toBe(10);
  });
});
