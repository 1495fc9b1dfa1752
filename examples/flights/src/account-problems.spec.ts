import { describe, expect, it } from '@jest/globals';
import type { Account } from './account.js';
import { problemsOf } from './account-problems.js';
import type { RolloutTold } from './rollout-watch.js';

const rollout = (outcome: RolloutTold['outcome']): RolloutTold => ({
  version: '2',
  outcome,
  reason: '',
  predictions: 1,
  seconds: 1,
});

const good: Account = {
  events: { in: 10, valid: 9, quarantined: 1, reasons: {} },
  predictions: { answered: 5, logged: 5, lost: 0, duplicated: 0, fallback: 0 },
  vectors: { compared: 5, mismatches: 0 },
  model: {
    version: '2',
    offlineAuc: 0.846,
    offlineLogloss: 0.335,
    liveAuc: 0.871,
    liveLogloss: 0.344,
    labelled: 3_000,
  },
  rollouts: (['live', 'refused', 'rolled-back', 'retrained'] as const).map(rollout),
  phases: [
    { phase: 'clean', version: '2', labelled: 3_000, auc: 0.871, logloss: 0.344 },
    { phase: 'broken', version: '2', labelled: 7_000, auc: 0.864, logloss: 0.418 },
    { phase: 'healed', version: '4', labelled: 6_000, auc: 0.87, logloss: 0.346 },
  ],
  recovery: {
    noticed: { summary: '', features: ['at_destination__late_rate_7d'], hours: 137, predictions: 4_329 },
    drift: null,
    trained: { pipeline: 'retrain-late-arrival', reason: '', seconds: 10 },
    live: { version: '4', hours: 200, predictions: 7_000 },
    resolved: true,
    falseAlarms: 0,
  },
  door: [
    { day: '2001-06-13', events: 770, quarantined: 0 },
    { day: '2001-06-14', events: 795, quarantined: 576 },
  ],
  audit: { entries: 37, proved: true },
  latencyMs: { p50: 17, p99: 50 },
  rates: { eventsPerSecond: 9_000, predictionsPerSecond: 1_500 },
  firstPredictionSeconds: 34,
  seconds: 150,
};

describe('problemsOf', () => {
  it('finds nothing in a story that went as it should', () => {
    expect(problemsOf(good, true)).toEqual([]);
  });

  const recovery = good.recovery!;
  const wrong: [string, Partial<Account>, RegExp][] = [
    ['an event is lost', { events: { ...good.events, valid: 8 } }, /10 events went in, 8 are valid/],
    ['a prediction is lost', { predictions: { ...good.predictions, lost: 1 } }, /1 answered predictions are not/],
    ['a vector differs', { vectors: { compared: 5, mismatches: 2 } }, /2 of 5 online vectors differ/],
    ['nothing was retrained', { rollouts: good.rollouts.slice(0, 3) }, /ended as live,refused,rolled-back, not as/],
    ['the live AUC is too good', { model: { ...good.model, liveAuc: 0.89 } }, /live AUC 0.8900 is outside/],
    [
      'the new version is no better',
      { phases: [...good.phases.slice(0, 2), { ...good.phases[2]!, logloss: 0.41 }] },
      /log-loss 0.41 of version 4 .* not healed/,
    ],
    [
      'the alert names another feature first',
      { recovery: { ...recovery, noticed: { ...recovery.noticed, features: ['day_of_week'] } } },
      /the alert names day_of_week/,
    ],
    ['the alert goes on', { recovery: { ...recovery, resolved: false } }, /is not resolved/],
    ['it cried wolf', { recovery: { ...recovery, falseAlarms: 2 } }, /2 alerts fired before/],
    ['the door saw nothing', { door: good.door.map((day) => ({ ...day, quarantined: 0 })) }, /tight expectation/],
  ];
  it.each(wrong)('says so when %s', (_, change, sentence) => {
    const problems = problemsOf({ ...good, ...change }, true);
    expect(problems).toEqual([expect.stringMatching(sentence)]);
  });

  it('asks a story that was cut short for its events and predictions alone', () => {
    expect(problemsOf({ ...good, rollouts: [], phases: [], recovery: null, door: [] }, false)).toEqual([]);
  });
});
