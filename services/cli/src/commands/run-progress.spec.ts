import { describe, expect, it } from '@jest/globals';
import { Run } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { hasEnded, newlySucceeded, parseTime } from './run-progress.js';

const runOf = (...states: string[]) =>
  Run.fromPartial({ steps: states.map((state, i) => ({ name: ['dataset', 'train', 'gates'][i]!, state })) });
const names = (before: Run, now: Run) => newlySucceeded(before, now).map(({ name }) => name);

describe('the progress of a run', () => {
  it('tells each step once, as it succeeds, those that passed between two looks too', () => {
    const begun = runOf('running', 'pending', 'pending');
    expect(names(begun, begun)).toEqual([]);
    expect(names(begun, runOf('succeeded', 'succeeded', 'running'))).toEqual(['dataset', 'train']);
    expect(names(runOf('succeeded', 'succeeded', 'running'), runOf('succeeded', 'succeeded', 'failed'))).toEqual([]);
    expect(names(runOf('succeeded', 'pending', 'pending'), runOf('succeeded', 'succeeded', 'succeeded'))).toEqual([
      'train',
      'gates',
    ]);
  });

  it.each([
    ['pending', false],
    ['running', false],
    ['succeeded', true],
    ['refused', true],
    ['failed', true],
    ['cancelled', true],
  ])('%s has ended: %s', (state, ended) => expect(hasEnded({ state })).toBe(ended));
});

describe('a time of the command line', () => {
  it('is RFC 3339 with a zone; left out it is 0', () => {
    expect(parseTime('--from', undefined)).toBe(0);
    expect(parseTime('--from', '2026-03-01T01:00:00+01:00')).toBe(Date.UTC(2026, 2, 1));
  });

  it.each(['yesterday', '2026-03-01', '2026-03-01T00:00:00', '2026-13-01T00:00:00Z', '', '1969-01-01T00:00:00Z'])(
    '"%s" is refused, naming the option',
    (text) => expect(() => parseTime('--to', text)).toThrow(/^--to ".*" is not a time after 1970/),
  );
});
