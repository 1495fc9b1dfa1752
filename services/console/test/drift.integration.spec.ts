import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  GetDriftResponse,
  type GetPerformanceRequest,
  GetPerformanceResponse,
  ListAlertsResponse,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { ListDefinitionsResponse } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type Console, openConsole } from './browser.js';
import { expectSound, lookOf, looks } from './looks.js';

const dayMs = 86_400_000;
const fromMs = Date.UTC(2001, 5, 10);
const around = (value: number) => ({ value, low: value - 0.02, high: value + 0.02 });
const features = Array.from({ length: 26 }, (_, i) => ({
  feature: i === 4 ? 'score' : `carrier_delay__mean_${i}d`,
  psi: 0.6 / (i + 1),
  ks: 0.3 / (i + 1),
  js: i === 25 ? Number.NaN : 0.2 / (i + 1),
  wasserstein: 0.4 / (i + 1),
  rows: 5_000,
  nullShare: i / 100,
  referenceNullShare: 0,
  threshold: 0.25,
  drifted: 0.6 / (i + 1) > 0.25,
}));
const windows = Array.from({ length: 14 }, (_, i) => ({
  fromMs: fromMs + i * dayMs,
  toMs: fromMs + (i + 1) * dayMs,
  predictions: 700,
  labelled: i < 12 ? 600 : 0,
  // The newest two days have no labels yet: what the scores say is there before.
  metrics: i < 12 ? { auc: around(0.86 - i / 200), logloss: around(0.35) } : {},
  estimated: { auc: around(0.85) },
}));
const asked: GetPerformanceRequest[] = [];
let unbuilt = false;
let console_: Console;

beforeAll(async () => {
  const performance = (request: GetPerformanceRequest) => {
    asked.push(request);
    if (unbuilt) return GetPerformanceResponse.fromPartial({ predictions: 9_800 });
    return GetPerformanceResponse.fromPartial({
      predictions: 9_800,
      labelled: 7_200,
      metrics: { auc: around(0.84), logloss: around(0.35) },
      estimated: { auc: around(0.85) },
      concept: { value: 0.06, low: 0.02, high: 0.1 },
      windows: request.stepMs === 0 ? [] : windows,
    });
  };
  const alert = {
    fingerprint: 'f1',
    monitor: 'late-watch',
    endpoint: 'late-arrival',
    modelVersion: '2',
    breach: 'drift',
    state: 'firing',
    summary: 'psi of carrier_delay__mean_0d is 0.6, over 0.25',
    startsMs: Date.now() - 60_000,
    actions: ['alert', 'retrain'],
  };
  console_ = await openConsole({
    registry: {
      listDefinitions: () =>
        ListDefinitionsResponse.fromPartial({
          definitions: ['late-arrival', 'new'].map((name) => ({ kind: 'Endpoint', name })),
        }),
    },
    monitor: {
      getDrift: ({ endpoint }: { endpoint: string }) => {
        if (endpoint === 'new') throw new MillraceError('not-found', 'endpoint "new" has no predictions yet');
        return GetDriftResponse.fromPartial({
          features,
          rows: 5_000,
          fromMs,
          toMs: fromMs + dayMs,
          modelVersion: '2',
          statistic: 'psi',
        });
      },
      getPerformance: performance,
      listAlerts: () => ListAlertsResponse.fromPartial({ alerts: [alert] }),
    },
  });
}, 60_000);
afterAll(() => console_?.close(), 30_000);

describe('the drift of an endpoint', () => {
  it.each(looks)(
    'has every feature against its threshold, performance with intervals, and alerts (%s, %i x %i)',
    async (scheme, width, height) => {
      const { page, complaints } = await console_.visit('#/drift', lookOf(scheme, width, height));
      const rows = page.getByRole('region', { name: /^Drift of each feature/ }).locator('tbody tr');
      await rows.nth(25).waitFor();
      expect(await rows.count()).toBe(26);
      expect(await rows.nth(0).locator('th, td').allTextContents()).toEqual([
        'carrier_delay__mean_0d',
        'drifted',
        '',
        '0.25',
        '0.6',
        '0.3',
        '0.2',
        '0.4',
        '0.0 %',
        '0.0 %',
      ]);
      expect(await rows.nth(25).locator('td').nth(5).textContent()).toBe('–'); // not measured is not 0
      const bar = rows.nth(0).locator('.threshold-bar');
      const [filled, tick] = [bar.locator('.over').getAttribute('width'), bar.locator('line').getAttribute('x1')];
      expect(Number(await tick) / Number(await filled)).toBeCloseTo(0.25 / 0.6);
      expect(await page.locator('.threshold-bar .over').count()).toBe(2);
      await page.getByText('2 of 26 drifted by PSI').waitFor();
      expect(await page.locator('[data-band="auc, realised"]').getAttribute('data-points')).toBe('12');
      expect(await page.locator('[data-band="auc, estimated from scores"]').getAttribute('data-points')).toBe('14');
      await page.getByText('scores mean something else than they did').waitFor();
      await page.getByRole('cell', { name: '0.84 (0.82 to 0.86)' }).waitFor();
      await page.getByRole('cell', { name: 'psi of carrier_delay__mean_0d is 0.6, over 0.25' }).waitFor();
      await expectSound(page, complaints);
    },
    60_000,
  );

  it('is asked for in windows of another length, and shows another metric', async () => {
    const { page, complaints } = await console_.visit('#/drift?endpoint=late-arrival');
    await page.getByLabel('Metric').selectOption('logloss');
    await page.locator('[data-band="logloss, realised"]').waitFor();
    expect(await page.locator('[data-band="logloss, estimated from scores"]').count()).toBe(0);
    const answered = page.waitForResponse((response) => response.url().includes('stepMs=3600000'));
    await page.getByLabel('Windows of').selectOption('1 hour');
    await answered;
    expect(asked.some(({ stepMs }) => stepMs === 3_600_000)).toBe(true);
    expect(complaints).toEqual([]);
  }, 60_000);

  it('says what is not there yet', async () => {
    unbuilt = true;
    const { page } = await console_.visit('#/drift?endpoint=new');
    await page.getByText('endpoint "new" has no predictions yet').waitFor();
    await page.getByText('No window has a value of auc').waitFor();
    await page.getByText('Neither labels nor a reference are there yet').waitFor();
    unbuilt = false;
  }, 60_000);
});
