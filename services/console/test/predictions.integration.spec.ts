import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type ListPredictionsRequest,
  ListPredictionsResponse,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type Console, openConsole } from './browser.js';
import { expectSound, lookOf, looks, tabTo } from './looks.js';

const startMs = Date.UTC(2001, 5, 20);
const predictions = Array.from({ length: 200 }, (_, i) => ({
  predictionId: `7f3a-${200 - i}`,
  endpoint: 'late-arrival',
  modelVersion: i % 3 === 0 ? '3' : '2',
  arm: i % 3 === 0 ? 'canary' : 'live',
  asOfMs: startMs - i * 60_000,
  answeredAtMs: startMs,
  joinKey: `flight-${i}`,
  score: i === 1 ? Number.NaN : i / 200,
  ...(i < 100 ? {} : { label: i % 2 }),
  requestJson: Buffer.from(`{"origin":"DEN","distance":${i}}`),
  features: Array.from({ length: 26 }, (_, place) => (place === 3 ? Number.NaN : place / 4)),
  featureNames: i === 2 ? [] : Array.from({ length: 26 }, (_, place) => `carrier__mean_${place}d`),
  fallback: i === 1,
  latencyUs: 12_345,
  caller: 'shop',
  rolloutId: 'r-canary',
}));
let asked: ListPredictionsRequest[] = [];
let console_: Console;

beforeAll(async () => {
  const list = (request: ListPredictionsRequest) => {
    asked.push(request);
    if (request.arm === 'shadow') throw new MillraceError('invalid-argument', 'arm: "shadow" is none of live, canary');
    const from = Number(request.before || '0');
    const page = predictions.slice(from, from + 50);
    return ListPredictionsResponse.fromPartial({
      predictions: page,
      next: from + 50 < predictions.length ? String(from + 50) : '',
    });
  };
  console_ = await openConsole({ monitor: { listPredictions: list } });
}, 60_000);
afterAll(() => console_?.close(), 30_000);
beforeEach(() => {
  asked = [];
});

describe('the prediction log', () => {
  it.each(looks)(
    'has its rows, newest first, and page by page all of them once (%s, %i x %i)',
    async (scheme, width, height) => {
      const { page, complaints } = await console_.visit('#/predictions', lookOf(scheme, width, height));
      const log = page.getByRole('region', { name: 'Prediction log, newest first' });
      const ids: string[] = [];
      for (const first of [200, 150, 100, 50]) {
        await log.getByRole('button', { name: `7f3a-${first}`, exact: true }).waitFor();
        ids.push(...(await log.getByRole('button').allTextContents()));
        if (first === 200) await expectSound(page, complaints);
        if (first > 50) await page.getByRole('link', { name: 'Older' }).click();
      }
      expect(ids).toEqual(predictions.map(({ predictionId }) => predictionId));
      expect(await page.getByRole('link', { name: 'Older' }).count()).toBe(0);
      await page.getByRole('link', { name: 'Newest' }).click();
      await log.getByRole('button', { name: '7f3a-200', exact: true }).waitFor();
      expect(complaints).toEqual([]);
    },
    60_000,
  );

  it('opens a row to its request, its features by name, and the way to its origin, by keyboard', async () => {
    const { page, complaints } = await console_.visit('#/predictions');
    await page.getByRole('button', { name: '7f3a-200', exact: true }).waitFor();
    await tabTo(page, '7f3a-200');
    await page.keyboard.press('Enter');
    await page.getByText('"origin": "DEN"').waitFor();
    const facts = page.locator('dl[aria-label=Features] .facts');
    expect(await facts.count()).toBe(26);
    expect(await facts.nth(2).allTextContents()).toEqual(['carrier__mean_2d0.5']);
    expect(await facts.nth(3).locator('dd').textContent()).toBe('null');
    expect(await page.getByRole('link', { name: 'Trace to its origin' }).getAttribute('href')).toBe(
      '#/trace?id=7f3a-200',
    );
    expect(await page.getByRole('button', { name: '7f3a-200', exact: true }).getAttribute('aria-expanded')).toBe(
      'true',
    );
    // A version that is not known here: places instead of names.
    await page.getByRole('button', { name: '7f3a-198', exact: true }).click();
    await page.getByText('number 26', { exact: true }).waitFor();
    expect(complaints).toEqual([]);
  }, 60_000);

  it('is asked by its filters, which stay in the address', async () => {
    const { page } = await console_.visit('#/predictions');
    await page.getByLabel('Endpoint').fill('late-arrival');
    await page.getByLabel('Arm').selectOption('canary');
    await page.getByLabel('Label').selectOption('known');
    await page.getByLabel('As of, from').fill('2001-06-20T00:00:00Z');
    await page.getByLabel('Score, from').fill('0.5');
    await page.getByLabel('Fallback only').check();
    await page.getByRole('button', { name: 'Show' }).click();
    await page.waitForURL(/label=known/);
    await page.getByRole('button', { name: '7f3a-200', exact: true }).waitFor();
    await page.reload();
    await page.getByRole('button', { name: '7f3a-200', exact: true }).waitFor();
    const wanted = { endpoint: 'late-arrival', arm: 'canary', label: 'known', minScore: 0.5, fallbackOnly: true };
    expect(asked.at(-1)).toMatchObject({ ...wanted, fromMs: startMs, toMs: 0 });
    expect(await page.getByLabel('Arm').inputValue()).toBe('canary');
    expect(await page.getByLabel('As of, from').inputValue()).toBe('2001-06-20T00:00:00Z');
  }, 60_000);

  it('says which filter is wrong', async () => {
    const { page } = await console_.visit('#/predictions?arm=shadow');
    await page.getByText('arm: "shadow" is none of live, canary').waitFor();
    await page.getByLabel('As of, before').fill('yesterday');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.getByText('to: "yesterday" is not like 2001-06-20T00:00:00Z').waitFor();
  }, 60_000);
});
