import { expect, it } from '@jest/globals';
import { generator } from '#libs/numeric/generator.js';
import { errorHarm, type Stratum } from '#libs/numeric/sequential/share-test.js';
import { CandidateLosses } from './candidate-losses.js';
import { causeOf } from './logged-rows.js';
import { WorkerAway } from './worker-away.js';

const alpha = 0.05;
const rollouts = 1_000;
/** Requests of a hundred rows every two seconds, a quarter of them the candidate's; the worker has one batch of each version, the live one first, and 2 ms for either. */
const [requests, liveRows, candidateRows, everyMs, batchMs] = [40, 75, 25, 2_000, 2];
const nobody = new WorkerAway('unavailable', 'nobody listens', false);
const gone = new WorkerAway('unavailable', 'gone', true);

/** A candidate that is the live version again, and whose only worker is killed once, while a request is worked on. @param counts which failures count @returns what the judge sees */
function simulate(random: () => number, counts: (code: string) => boolean): Stratum {
  const clock = { ms: 0 };
  const losses = new CandidateLosses(() => clock.ms);
  const seen = { candidateErrors: 0, candidateRows: 0, liveErrors: 0, liveRows: 0 };
  const fail = (arm: 'candidate' | 'live', rows: number, error: unknown): void => {
    if (!counts(causeOf(error).code)) return;
    seen[`${arm}Errors`] += rows;
    seen[`${arm}Rows`] += rows;
  };
  losses.found('w');
  const killed = Math.floor(random() * requests);
  for (let i = 0; i < requests; i++, clock.ms += everyMs) {
    const killedAtMs = i === killed ? random() * 2 * batchMs : Number.POSITIVE_INFINITY;
    losses.begin('c', 'w');
    if (killedAtMs < batchMs) fail('live', liveRows, gone);
    else seen.liveRows += liveRows;
    if (killedAtMs < Number.POSITIVE_INFINITY) {
      losses.lost('w');
      fail('candidate', candidateRows, losses.blame('c', gone));
      fail('live', candidateRows, nobody); // asked in the candidate's place
    } else seen.candidateRows += candidateRows;
    losses.end('c', 'w', killedAtMs === Number.POSITIVE_INFINITY);
    losses.found('w');
  }
  return seen;
}

it('A candidate that is the live version again is not rolled back for a worker that was killed once; were such rows counted, half of the time it would be', () => {
  const rolledBack = (counts: (code: string) => boolean): number => {
    const random = generator(20_261_126);
    const judged = Array.from({ length: rollouts }, () => errorHarm([simulate(random, counts)], alpha));
    return judged.filter(({ low }) => low > 0).length / rollouts;
  };
  expect(rolledBack(() => true)).toBeGreaterThan(0.4);
  expect(rolledBack((code) => code !== 'worker-away')).toBe(0);
});
