import { describe, expect, it } from '@jest/globals';
import { arrivalEvent, departureEvent, feedChangedMs, type Flight } from './flight-events.js';

const flight: Flight = { row: 7, localMs: 0, delay: 14, distance: 1_000, origin: 'DEN', destination: 'ORD' };
/** 60 minutes and 0.14 a mile. */
const flightMs = 200 * 60_000;

describe('an arrival', () => {
  it('carries its delay in minutes until the feed changes, in seconds from that instant on', () => {
    const before = arrivalEvent(flight, feedChangedMs - flightMs - 60_000);
    const after = arrivalEvent(flight, feedChangedMs - flightMs);
    expect([before.delay, after.delay]).toEqual([14, 840]);
    expect(after.arrived_at).toBe('2001-06-14T00:00:00.000Z');
  });

  it('carries the same truth in both', () => {
    for (const departureMs of [feedChangedMs - 86_400_000, feedChangedMs]) {
      expect(arrivalEvent(flight, departureMs).late).toBe(false);
      expect(arrivalEvent({ ...flight, delay: 15 }, departureMs).late).toBe(true);
    }
  });
});

it('a departure knows nothing of the delay', () => {
  expect(departureEvent(flight, feedChangedMs)).not.toHaveProperty('delay');
  expect(departureEvent(flight, feedChangedMs)).not.toHaveProperty('late');
  expect(departureEvent(flight, feedChangedMs)).toEqual(departureEvent({ ...flight, delay: 900 }, feedChangedMs));
});
