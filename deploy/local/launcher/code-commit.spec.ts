import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { codeCommit } from './code-commit.js';

const folder = mkdtempSync(join(tmpdir(), 'millrace-commit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const git = (...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
    cwd: folder,
    encoding: 'utf8',
  });

it('the commit of a checkout is its HEAD; a folder that is none, or lies in another checkout, has no commit', () => {
  expect(codeCommit(folder)).toBe('');
  git('init', '-q');
  expect(codeCommit(folder)).toBe(''); // nothing is committed
  git('commit', '-q', '--allow-empty', '-m', 'first');
  expect(codeCommit(folder)).toMatch(/^[0-9a-f]{40}$/);
  expect(codeCommit(folder)).toBe(git('log', '-1', '--format=%H').trim());
  mkdirSync(join(folder, 'inner'));
  expect(codeCommit(join(folder, 'inner'))).toBe('');
  expect(codeCommit(join(folder, 'missing'))).toBe('');
});
