import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Checked, RememberingChecker } from './model-checker.js';
import { type Fault, fault } from './outcome.js';

describe('RememberingChecker', () => {
  const good = { ok: true, memoryBytes: 1 } as const;
  const refused = fault('run-failed', 'it hangs');
  let nowMs: number;
  let checks: string[];
  let verdict: Checked | Fault | Error;
  let checker: RememberingChecker;

  beforeEach(() => {
    nowMs = 0;
    checks = [];
    verdict = good;
    checker = new RememberingChecker(
      async (sha256) => {
        checks.push(sha256);
        if (verdict instanceof Error) throw verdict;
        return verdict;
      },
      () => nowMs,
    );
  });

  it('shares one check, and remembers what came of it', async () => {
    await Promise.all([checker.check('a', '/a'), checker.check('a', '/a')]);
    nowMs = 1e12;
    await expect(checker.check('a', '/a')).resolves.toBe(good);
    expect(checks).toEqual(['a']);
  });

  it('tries one that was refused again after a minute, not before', async () => {
    verdict = refused;
    await expect(checker.check('a', '/a')).resolves.toBe(refused);
    nowMs = 59_999;
    await expect(checker.check('a', '/a')).resolves.toBe(refused);
    expect(checks).toEqual(['a']);
    nowMs = 60_000;
    await checker.check('a', '/a');
    expect(checks).toEqual(['a', 'a']);
  });

  it('does not keep what a check that threw did not say', async () => {
    verdict = new Error('no process');
    await expect(checker.check('a', '/a')).rejects.toThrow('no process');
    verdict = good;
    await expect(checker.check('a', '/a')).resolves.toBe(good);
  });

  it('forgets the oldest of more than a thousand', async () => {
    for (let i = 0; i <= 1_000; i++) await checker.check(`${i}`, '/');
    await checker.check('1', '/');
    expect(checks).toHaveLength(1_001);
    await checker.check('0', '/');
    expect(checks).toHaveLength(1_002);
  });
});
