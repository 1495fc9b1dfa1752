import { describe, expect, it } from '@jest/globals';
import type { TriggersSpec } from '#libs/definitions/definition-kinds.js';
import { decideAgain, decideTrigger, type TriggerDecision, type TriggerReason } from './decide-trigger.js';

const hour = 3_600_000;
const now = Date.parse('2026-03-02T12:00:00Z');
const triggers: TriggersSpec = { performance: true, drift: false, cooldownMs: 6 * hour, maxRunsPerDay: 2 };
const decide = (hoursAgo: readonly number[], underWay = false, spec: TriggersSpec | undefined = triggers) =>
  decideTrigger(spec, 'performance', now, { startedMs: hoursAgo.map((ago) => now - ago * hour), underWay });

describe('a trigger', () => {
  it('starts a run where nothing speaks against it', () => {
    expect(decide([])).toEqual({ decision: 'started', because: '' });
    expect(decide([7])).toEqual({ decision: 'started', because: '' });
  });

  it('waits for the cool-down, to the millisecond, whatever the order of the history', () => {
    expect(decide([30, 5])).toEqual({
      decision: 'cool-down',
      because: 'the last triggered run is too recent: not before 2026-03-02T13:00:00.000Z',
    });
    expect(decide([5, 30]).decision).toBe('cool-down');
    expect(decide([6]).decision).toBe('started');
    expect(decide([6 - 1 / hour]).decision).toBe('cool-down');
  });

  it('keeps to the budget of any 24 hours', () => {
    expect(decide([7, 23])).toMatchObject({
      decision: 'budget',
      because: expect.stringContaining('maxRunsPerDay is 2'),
    });
    expect(decide([7, 24]).decision).toBe('started');
  });

  it('starts nothing beside a run that has not ended', () => expect(decide([], true).decision).toBe('under-way'));

  it.each<[TriggerReason, Partial<TriggersSpec>]>([
    ['performance', { performance: true }],
    ['concept', { concept: true }],
    ['drift', { drift: true }],
    ['schedule', { schedule: '0 3 * * *' }],
    ['new-data', { newData: 1 }],
  ])('of %s counts only where the pipeline asks for it', (reason, asked) => {
    const history = { startedMs: [], underWay: false };
    const silent = { performance: false, drift: false, cooldownMs: 1, maxRunsPerDay: 1 };
    expect(decideTrigger({ ...silent, ...asked }, reason, now, history).decision).toBe('started');
    expect(decideTrigger(silent, reason, now, history).decision).toBe('not-asked');
    expect(decideTrigger(undefined, reason, now, history).decision).toBe('not-asked');
  });
});

describe('something that goes on', () => {
  const again = (before: TriggerDecision['decision'], hoursAgo: readonly number[], underWay = false, spec = triggers) =>
    decideAgain(before, spec, 'performance', now, { startedMs: hoursAgo.map((ago) => now - ago * hour), underWay })
      ?.decision;

  it('waits after a run until that has ended and the cool-down is over, to the millisecond', () => {
    expect(again('started', [7], true)).toBeUndefined();
    expect(again('started', [6 - 1 / hour])).toBeUndefined();
    expect(again('started', [6])).toBe('started');
    expect(again('started', [7, 8])).toBe('budget');
  });

  it('waits after a refusal until its reason has passed; then another one is told', () => {
    expect(again('under-way', [1], true)).toBeUndefined();
    expect(again('under-way', [1])).toBe('cool-down');
    expect(again('cool-down', [5], true)).toBeUndefined();
    expect(again('cool-down', [7], true)).toBe('under-way');
    expect(again('budget', [7, 8])).toBeUndefined();
    expect(again('budget', [7, 24])).toBe('started');
    expect(again('not-asked', [], false, { ...triggers, performance: false })).toBeUndefined();
    expect(again('not-asked', [])).toBe('started');
  });
});
