import { describe, expect, it } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { flights, setUp, withCandidate } from '../../test/fakes.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { WorkerAway } from './worker-away.js';

const never = (): Promise<never> => new Promise(() => {});
const asked = 50;
const room = 10;

/** The scores of so many requests, one after the other, and what there is to look at. */
async function answered(shadow: ((rows: number) => Promise<Float32Array>) | undefined, maxRows = room) {
  const parts = setUp(withCandidate({ mirror: true }), maxRows);
  if (shadow !== undefined) parts.runner.special.set('shadow', shadow);
  const scores: number[] = [];
  for (let i = 0; i < asked; i++) {
    const response = await parts.infer(flights(`flight-${i}`));
    scores.push(response.rawOutputContents[0]!.readFloatLE(0));
    if (i % 5 === 0) await turn();
  }
  return { ...parts, scores };
}

describe('the mirror', () => {
  it("Shadow traffic never touches the primary's latency or fate; what is not mirrored is counted.", async () => {
    const alone = setUp();
    const expected: number[] = [];
    for (let i = 0; i < asked; i++)
      expected.push((await alone.infer(flights(`flight-${i}`))).rawOutputContents[0]!.readFloatLE(0));

    // The answers below come although no shadow run ever ends: nothing of them waits for one.
    const hangs = await answered(never);
    expect(hangs.scores).toEqual(expected);
    expect(hangs.log.unmirrored.map(({ reason }) => reason)).toEqual(Array(asked - room).fill('queue-full'));
    await hangs.mirror.stop(0);
    expect(hangs.log.unmirroredRows).toBe(asked);
    expect(hangs.log.shadows).toEqual([]);

    const throws = await answered(async () => {
      throw new MillraceError('internal', 'the model does not take this');
    });
    await throws.mirror.stop(1_000);
    expect(throws.scores).toEqual(expected);
    expect(throws.log.failures.length).toBeGreaterThan(0);
    expect(throws.log.failures.length + throws.log.unmirroredRows).toBe(asked);
    expect(throws.log.failures[0]).toMatchObject({ arm: 'shadow', primaryId: 'id-0', code: 'internal' });

    const away = await answered(async () => {
      throw new WorkerAway('unavailable', 'worker is away', false);
    });
    await away.mirror.stop(1_000);
    expect(away.scores).toEqual(expected);
    expect(away.log.failures).toEqual([]);
    expect(away.log.unmirroredRows).toBe(asked);
    expect(away.log.unmirrored.map(({ reason }) => reason)).toContain('worker-away');

    const turnsSlow = async (rows: number): Promise<Float32Array> => {
      for (let i = 0; i < 20; i++) await turn();
      return new Float32Array(rows);
    };
    const slow = await answered(turnsSlow);
    expect(slow.scores).toEqual(expected);
    expect(slow.log.unmirroredRows).toBeGreaterThan(0);
    await slow.mirror.stop(1_000);
    expect(slow.log.shadows.length).toBeGreaterThan(0);
    expect(slow.log.shadows.length + slow.log.unmirroredRows).toBe(asked);
    for (const { log } of [hangs, throws, away, slow]) {
      expect(log.kept.every(({ prediction }) => prediction.arm === 'live' && !prediction.fallback)).toBe(true);
    }
  });

  it('shows the candidate each row that the live version answered, once, and names the answer', async () => {
    const { log, mirror, runner } = await answered(undefined, asked);
    await mirror.stop(1_000);
    expect(log.shadows.map(({ primaryId }) => primaryId)).toEqual(Array.from({ length: asked }, (_, i) => `id-${i}`));
    expect(log.shadows[0]).toMatchObject({ modelVersion: '4', rolloutId: 'r', rolloutStep: 1, asOfMs: 7 });
    expect(log.shadows[0]!.outputs[0]).toBeCloseTo(0.1);
    expect(log.unmirrored).toEqual([]);
    const shadowRuns = runner.runs.filter(({ lane }) => lane === 'shadow');
    expect(shadowRuns.every(({ sha }) => sha === 'b')).toBe(true);
  });

  it('has one batch in flight, and what waited meanwhile is the next one', async () => {
    const parts = setUp(withCandidate({ mirror: true }));
    let end: (scores: Float32Array) => void = () => {};
    parts.runner.special.set('shadow', () => new Promise((resolve) => (end = resolve)));
    await parts.infer(flights('a'));
    await turn();
    for (const id of ['b', 'c', 'd']) await parts.infer(flights(id));
    await turn();
    const shadowRows = (): number[] =>
      parts.runner.runs.filter(({ lane }) => lane === 'shadow').map(({ rows }) => rows);
    expect(shadowRows()).toEqual([1]);
    end(new Float32Array(1));
    await turn();
    await turn();
    expect(shadowRows()).toEqual([1, 3]);
  });

  it('does not begin before the answer has been given', async () => {
    const { infer, runner } = setUp(withCandidate({ mirror: true }));
    await infer(flights('a'));
    expect(runner.runs.map(({ lane }) => lane)).toEqual(['live']);
    await turn();
    expect(runner.runs.map(({ lane }) => lane)).toEqual(['live', 'shadow']);
  });

  it('does not show the candidate what it answered itself, and counts a score that is none as its failure', async () => {
    const { infer, runner, log, mirror } = setUp(withCandidate({ mirror: true, percent: 50 }));
    runner.special.set('shadow', async (rows) => new Float32Array(rows).fill(Number.NaN));
    await infer(flights('a', 'b', 'c', 'd', 'e', 'f'));
    await mirror.stop(1_000);
    const ofLive = log.kept.filter(({ prediction }) => prediction.arm === 'live').length;
    expect(ofLive).toBeGreaterThan(0);
    expect(ofLive).toBeLessThan(6);
    expect(log.failures.map(({ arm, code }) => `${arm} ${code}`)).toEqual(Array(ofLive).fill('shadow internal'));
  });

  it('takes nothing once stopped, ignores a run that ends too late, and counts both', async () => {
    const { infer, runner, log, mirror } = setUp(withCandidate({ mirror: true }));
    let end: (scores: Float32Array) => void = () => {};
    runner.special.set('shadow', () => new Promise((resolve) => (end = resolve)));
    await infer(flights('a'));
    await turn();
    await mirror.stop(0);
    await infer(flights('b'));
    end(new Float32Array(1));
    await turn();
    expect(log.shadows).toEqual([]);
    expect(log.unmirrored.map(({ reason, rows }) => [reason, rows])).toEqual([
      ['shutdown', 1],
      ['shutdown', 1],
    ]);
  });
});
