import { describe, expect, it } from '@jest/globals';
import type { EndpointSpec, PolicySpec } from '#libs/definitions/definition-kinds.js';
import { retentionOf, ttlOf } from './retention.js';

const dayMs = 86_400_000;
const policy = (days?: number) =>
  ({ name: 'p', access: [], ...(days ? { retention: { predictionsMs: days * dayMs } } : {}) }) as PolicySpec;
const endpoint = (name: string, days?: number) =>
  ({ name, log: { features: true, ...(days ? { retentionMs: days * dayMs } : {}) } }) as EndpointSpec;

describe('retention', () => {
  it('is for ever where nothing says otherwise', () => {
    const retention = retentionOf([policy()], [endpoint('a')]);
    expect(ttlOf(retention, 'at', true)).toBeUndefined();
  });

  it('is the shortest of the policies, and of an endpoint its own where that is shorter', () => {
    const retention = retentionOf(
      [policy(365), policy(180)],
      [endpoint('b', 30), endpoint('a', 30), endpoint('c', 200)],
    );
    expect(retention).toEqual({
      days: 180,
      endpoints: new Map([
        ['a', 30],
        ['b', 30],
      ]),
    });
    expect(ttlOf(retention, 'at', true)).toBe(
      "multiIf(endpoint IN ('a', 'b'), toDateTime(at, 'UTC') + toIntervalDay(30), toDateTime(at, 'UTC') + toIntervalDay(180))",
    );
    expect(ttlOf(retention, 'at', false)).toBe("toDateTime(at, 'UTC') + toIntervalDay(180)");
  });

  it('of one endpoint leaves the others for ever', () => {
    const retention = retentionOf([], [endpoint('a', 30), endpoint('b', 7)]);
    expect(ttlOf(retention, 'at', true)).toBe(
      "multiIf(endpoint IN ('a'), toDateTime(at, 'UTC') + toIntervalDay(30), endpoint IN ('b'), toDateTime(at, 'UTC') + toIntervalDay(7), toDateTime('2106-01-01 00:00:00', 'UTC'))",
    );
    expect(ttlOf(retention, 'at', false)).toBeUndefined();
  });

  it('takes no name that is none', () => {
    expect(() => ttlOf({ days: 1, endpoints: new Map([["a') --", 1]]) }, 'at', true)).toThrow('no name of an endpoint');
  });
});
