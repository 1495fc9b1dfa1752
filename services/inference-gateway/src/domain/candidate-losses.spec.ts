import { expect, it } from '@jest/globals';
import { generator } from '#libs/numeric/generator.js';
import { CandidateLosses } from './candidate-losses.js';
import { WorkerAway } from './worker-away.js';

interface Scenario {
  /** Time between two batches of the candidate, and how long a worker has one, ms on average. */
  readonly pauseMs: number;
  readonly batchMs: number;
  /** The worker goes away by itself after so long on average; Infinity = never. */
  readonly goesAfterMs: number;
  /** Of the candidate's batches, so many kill it. */
  readonly kills: number;
  readonly losses: number;
}

const downMs = 1_500;
/** How long connections of one that is killed outlive it. */
const noticedMs = 30;
const worker = 'w';
const gone = new WorkerAway('unavailable', 'worker w: the stream ended', true);

/** Losses until the candidate is blamed for them; undefined = it is not. */
function lossesUntilBlamed(scenario: Scenario, random: () => number): number | undefined {
  const clock = { ms: 0 };
  const losses = new CandidateLosses(() => clock.ms);
  losses.found(worker);
  const comesBack = (): void => {
    clock.ms += downMs;
    losses.found(worker);
  };
  const after = (meanMs: number): number => -Math.log1p(-random()) * meanMs;
  let goesMs = after(scenario.goesAfterMs);
  let startMs = after(scenario.pauseMs);
  for (let lost = 0; lost < scenario.losses;) {
    const endMs = startMs + after(scenario.batchMs);
    if (goesMs > startMs) {
      clock.ms = startMs;
      losses.begin('c', worker);
      const kills = random() < scenario.kills;
      clock.ms = Math.min(endMs, goesMs);
      if (kills || goesMs < endMs) {
        losses.lost(worker);
        losses.end('c', worker, false);
        lost += 1;
        if (!(losses.blame('c', gone) instanceof WorkerAway)) return lost;
        comesBack();
        goesMs = clock.ms + after(scenario.goesAfterMs);
        startMs = clock.ms + after(scenario.pauseMs);
        continue;
      }
      losses.end('c', worker, true);
      startMs = endMs + after(scenario.pauseMs);
    } else {
      // It is gone, and nobody knows: what begins now is lost too.
      const isLate = startMs < goesMs + noticedMs;
      if (isLate) {
        clock.ms = startMs;
        losses.begin('c', worker);
      }
      clock.ms = goesMs + noticedMs;
      losses.lost(worker);
      if (isLate) losses.end('c', worker, false);
      lost += 1;
      if (!(losses.blame('c', gone) instanceof WorkerAway)) return lost;
      comesBack();
      goesMs = clock.ms + after(scenario.goesAfterMs);
      startMs = clock.ms + after(scenario.pauseMs);
    }
  }
  return undefined;
}

function simulate(scenario: Scenario, candidates: number): { blamed: number; medianLosses: number } {
  const random = generator(20_261_126);
  const found = Array.from({ length: candidates }, () => lossesUntilBlamed(scenario, random)).filter(
    (losses) => losses !== undefined,
  );
  return { blamed: found.length / candidates, medianLosses: found.sort((a, b) => a - b)[found.length >> 1] ?? NaN };
}

const killed = { goesAfterMs: Number.POSITIVE_INFINITY, losses: 60 };

it.each([
  ['a tenth of the time', 450, 50, 20_000],
  ['a third', 400, 200, 20_000],
  ['most of the time', 50, 500, 20_000],
  ['a fifth of the time, many times a second', 4, 1, 500],
  ['half of the time, and is away for longer than it is there', 10, 10, 500],
])(
  'A worker that goes away by itself, 20 times, while it has a batch of the candidate for %s: at most one candidate in 500 is blamed',
  (_, pauseMs, batchMs, goesAfterMs) => {
    const { blamed } = simulate({ pauseMs, batchMs, goesAfterMs, kills: 0, losses: 20 }, 1_000);
    expect(blamed).toBeLessThanOrEqual(1 / 500 + 3 * Math.sqrt(1 / 500 / 1_000));
  },
);

it.each([
  ['each of its batches', 1, 200, 5, 4],
  ['each of its batches, one after the other', 1, 1, 5, 4],
  ['one batch of thirty, at the worker for a fiftieth of the time', 1 / 30, 245, 5, 6],
  ['one batch of thirty, at the worker for half of the time', 1 / 30, 300, 300, 16],
])('A candidate that kills its worker with %s is blamed', (_, kills, pauseMs, batchMs, most) => {
  const { blamed, medianLosses } = simulate({ ...killed, kills, pauseMs, batchMs }, 200);
  expect(blamed).toBe(1);
  expect(medianLosses).toBeLessThanOrEqual(most);
});

it('who is blamed is not asked for half a minute after each loss, and what it is asked then is its own failure if a worker goes again', () => {
  const clock = { ms: 0 };
  const losses = new CandidateLosses(() => clock.ms);
  const batch = (isLost: boolean): void => {
    losses.begin('c', worker);
    losses.begin('other', 'another worker');
    clock.ms += 1;
    if (isLost) losses.lost(worker);
    losses.end('c', worker, !isLost);
    losses.end('other', 'another worker', true);
    losses.found(worker);
    clock.ms += 1_000;
  };
  losses.found('another worker');
  losses.found(worker);
  batch(false);
  for (let i = 0; i < 3; i++) batch(true);
  losses.refuse('c');
  expect(losses.blame('c', gone)).toBe(gone);
  batch(true);
  const words = '4 times a worker went away while it had a batch of this model';
  expect(() => losses.refuse('c')).toThrow(`${words}; not asked for 29 s`);
  losses.refuse('other');
  losses.refuse('unknown');
  clock.ms += 29_000;
  losses.refuse('c');
  expect(losses.blame('c', gone)).toMatchObject({ code: 'unavailable', message: `${words}: ${gone.message}` });
  expect(losses.blame('c', gone)).not.toBeInstanceOf(WorkerAway);
  expect(losses.blame('other', gone)).toBe(gone);
  const refused = new WorkerAway('unavailable', 'nobody listens', false);
  expect(losses.blame('c', refused)).toBe(refused);
});
