import { describe, expect, it } from '@jest/globals';
import { measureBatchLimit } from './measure-batch-limit.js';

const options = { maxRows: 256, targetUs: 1_000 };

describe('measureBatchLimit', () => {
  it('gives a fast model the most rows', async () => {
    await expect(measureBatchLimit(async (rows) => 7 + 0.1 * rows, options)).resolves.toBe(256);
  });

  it('gives a slow model as many rows as fit the target, by powers of two', async () => {
    await expect(measureBatchLimit(async (rows) => 20 * rows, options)).resolves.toBe(32);
  });

  it('leaves a row to a model that is too slow for the target', async () => {
    await expect(measureBatchLimit(async () => 5_000, options)).resolves.toBe(1);
  });

  it('does not count the first run, nor one slow run of a size', async () => {
    let runs = 0;
    const measured = measureBatchLimit(async () => (runs++ % 2 === 0 ? 50_000 : 10), options);
    await expect(measured).resolves.toBe(256);
  });

  it('keeps to a bound that is no power of two', async () => {
    await expect(measureBatchLimit(async () => 1, { ...options, maxRows: 100 })).resolves.toBe(100);
    await expect(measureBatchLimit(async () => 1, { ...options, maxRows: 1 })).resolves.toBe(1);
  });
});
