import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { Checked } from '../src/domain/model-checker.js';
import type { Fault } from '../src/domain/outcome.js';
import { IsolatedModelChecker } from '../src/outbound/isolated-model.checker.js';
import { endlessModel, goodModel, largeModel, unreadable, weightedModel } from './hostile-models.js';

const mebibyte = 2 ** 20;
const entry = join(projectRoot(), 'dist/services/inference-worker/src/outbound/check-model.child.js');
const order = { limit: { maxRows: 64, targetUs: 1_000 }, maxOutputBytes: mebibyte };

describe('IsolatedModelChecker', () => {
  const checks = new IsolatedModelChecker({ memoryBytes: 256 * mebibyte, timeoutMs: 10_000 }, order, entry);
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-check-'));
  });
  afterAll(async () => {
    await checks.close();
    await rm(folder, { recursive: true });
  });

  const check = async (bytes: Buffer, by = checks): Promise<Checked | Fault> => {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const path = join(folder, sha256);
    await writeFile(path, bytes);
    return by.check(sha256, path);
  };
  const refusal = (message: RegExp) => ({
    ok: false,
    code: 'run-failed',
    message: expect.stringMatching(message),
  });

  it('takes a good model', async () => {
    await expect(check(goodModel())).resolves.toEqual({ ok: true, memoryBytes: expect.any(Number) });
  }, 30_000);

  it('measures what memory a model takes', async () => {
    const outcome = await check(weightedModel(40));
    const bytes = outcome.ok ? outcome.memoryBytes : 0;
    expect(bytes).toBeGreaterThanOrEqual(40 * mebibyte);
    expect(bytes).toBeLessThan(60 * mebibyte);
  }, 30_000);

  it('says why it takes none that is not self-contained, and reads no other file for it', async () => {
    const [, words, bytes] = unreadable.find(([name]) => name.startsWith('reads /etc/passwd'))!;
    await expect(check(bytes())).resolves.toEqual(refusal(words));
  }, 30_000);

  it('stops a model that never ends, while it checks another', async () => {
    const impatient = new IsolatedModelChecker({ memoryBytes: 256 * mebibyte, timeoutMs: 3_000 }, order, entry);
    const endless = check(endlessModel(), impatient);
    await expect(check(goodModel(), impatient)).resolves.toMatchObject({ ok: true });
    await expect(endless).resolves.toEqual(refusal(/its check took longer than 3000 ms/));
    await impatient.close();
  }, 30_000);

  it('stops a model that takes more memory than it may', async () => {
    await expect(check(largeModel(400))).resolves.toEqual(refusal(/its check took more than 268435456 bytes/));
  }, 30_000);

  it('refuses a model that asks for 64 GiB at once', async () => {
    const outcome = await check(largeModel(64 * 1_024));
    expect(outcome).toMatchObject({ code: 'run-failed' });
  }, 30_000);

  it('refuses a file that is another by the time it is checked', async () => {
    const sha256 = 'f'.repeat(64);
    const path = join(folder, sha256);
    await writeFile(path, goodModel());
    await expect(checks.check(sha256, path)).resolves.toMatchObject({ code: 'hash-mismatch' });
  }, 30_000);

  it('says so where the process does not start, and tries again', async () => {
    const broken = new IsolatedModelChecker(
      { memoryBytes: 256 * mebibyte, timeoutMs: 5_000 },
      order,
      '/no/such/file.js',
    );
    const words = 'the process that checks models ended with 1 while it started';
    await expect(check(goodModel(), broken)).rejects.toThrow(words);
    await expect(check(goodModel(), broken)).rejects.toThrow(words);
    await broken.close();
  }, 30_000);

  it('gives the memory of a model back: a hundred loads of 10 MB do not grow the process by a tenth of them', async () => {
    const path = join(folder, 'soak');
    await writeFile(path, weightedModel(10));
    const soak = join(projectRoot(), 'services/inference-worker/test/load-soak.mjs');
    const trial = join(dirname(entry), 'model-trial.js');
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', soak, trial, path]);
    const { grownBytes } = JSON.parse(stdout) as { grownBytes: number };
    expect(grownBytes).toBeLessThan(100 * mebibyte);
  }, 120_000);
});
