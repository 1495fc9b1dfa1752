import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type GetRouteRequest,
  type GetRunRequest,
  ListDefinitionsResponse,
  ListModelVersionsResponse,
  Route,
  RunRecord,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { ListRunsResponse, Run } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type Console, openConsole } from './browser.js';
import { expectSound, lookOf, looks } from './looks.js';

const madeMs = Date.UTC(2026, 10, 24);
const versions = [1, 2, 3].map((number) => ({
  model: 'late',
  version: String(number),
  aliases: number === 2 ? ['champion'] : [],
  features: Array.from({ length: 26 }, (_, i) => `feature_${i}`),
  runId: `run-${number}`,
  createdMs: madeMs + number * 3_600_000,
  metrics: { 'validate.auc': 0.8 + number / 100, 'validate.logloss': 0.36 - number / 100 },
  codeCommit: 'c0ffee00'.repeat(5),
}));
const runs = [1, 2, 3, 4].map((number) =>
  Run.fromPartial({
    runId: `run-${number}`,
    pipeline: 'late-weekly',
    model: 'late',
    state: number === 4 ? 'refused' : 'succeeded',
    reason: number === 1 ? 'manual' : 'drift: psi of distance is 0.4',
    error: number === 4 ? 'gate `validate.auc >= 0.8` does not hold: validate.auc is 0.71' : '',
    modelVersion: number === 4 ? '' : String(number),
    createdMs: madeMs + number * 3_600_000,
    metrics: { 'validate.auc': number === 4 ? 0.71 : 0.8 + number / 100, 'parity.maxAbsDiff': 1e-7 },
    steps: [
      { name: 'train', state: 'succeeded', startedMs: madeMs, finishedMs: madeMs + 5_000 },
      {
        name: 'gates',
        state: number === 4 ? 'failed' : 'succeeded',
        startedMs: madeMs + 5_000,
        finishedMs: madeMs + 65_000 * number,
        message: number === 4 ? '' : '2 gates hold',
      },
    ],
  }),
);
let console_: Console;

beforeAll(async () => {
  const definitions = ['late-arrival', 'not-yet'].map((name) => ({ kind: 'Endpoint', name }));
  console_ = await openConsole({
    registry: {
      listModelVersions: () => ListModelVersionsResponse.fromPartial({ versions }),
      listDefinitions: () => ListDefinitionsResponse.fromPartial({ definitions }),
      getRoute: ({ endpoint }: GetRouteRequest) => {
        if (endpoint === 'not-yet') throw new MillraceError('not-found', 'there is no route not-yet');
        return Route.fromPartial({ endpoint, model: 'late', live: versions[1]!, candidate: { version: versions[2]! } });
      },
      getRun: ({ runId }: GetRunRequest) => {
        if (runId === 'run-4') throw new MillraceError('not-found', 'there is no run run-4');
        return RunRecord.fromPartial({ runId, params: { algorithm: 'gbm', depth: runId === 'run-1' ? '4' : '6' } });
      },
    },
    trainer: {
      listRuns: () => ListRunsResponse.fromPartial({ runs: runs.toReversed() }),
      getRun: ({ runId }: GetRunRequest) => runs.find((run) => run.runId === runId)!,
    },
  });
}, 60_000);
afterAll(() => console_?.close(), 30_000);

describe('the models', () => {
  it.each(looks)(
    'have their versions, what is live where, a metric over versions, and their runs (%s, %i x %i)',
    async (scheme, width, height) => {
      const { page, complaints } = await console_.visit('#/models', lookOf(scheme, width, height));
      const live = page.locator('[data-figure=late-arrival]');
      await live.getByText('version 2', { exact: false }).first().waitFor();
      await live.getByText('version 3 is tried').waitFor();
      await page.getByRole('cell', { name: 'champion' }).waitFor();
      await page.getByRole('img', { name: 'validate.auc over versions' }).waitFor();
      expect(await page.locator('[data-band="validate.auc"]').getAttribute('data-points')).toBe('3');
      await page.getByLabel('Metric').selectOption('validate.logloss');
      await page.getByRole('img', { name: 'validate.logloss over versions' }).waitFor();
      await page.getByRole('cell', { name: /gate `validate.auc >= 0.8` does not hold/ }).waitFor();
      await page.getByText('4 min 20 s').waitFor();
      await expectSound(page, complaints);
    },
    60_000,
  );

  it('have runs that are picked by keyboard and lie side by side, with what differs marked', async () => {
    const { page, complaints } = await console_.visit('#/models?model=late');
    for (const id of ['run-1', 'run-2', 'run-4']) {
      await page.getByLabel(id).focus();
      await page.keyboard.press('Space');
      await page.getByLabel(id).and(page.locator(':checked')).waitFor();
    }
    const table = page.getByRole('region', { name: 'Runs side by side' });
    const row = (name: string) => table.locator('tr').filter({ has: page.getByText(name, { exact: true }) });
    await row('algorithm').waitFor();
    expect(await row('depth').locator('td').allTextContents()).toEqual(['4', '≠ 6', '≠ –']);
    expect(await row('parity.maxAbsDiff').locator('td.differs').count()).toBe(0);
    expect(await row('validate.auc').locator('td').allTextContents()).toEqual(['0.81', '≠ 0.82', '≠ 0.71']);
    expect(await row('gates').locator('td').allTextContents()).toEqual(['2 gates hold', '2 gates hold', '≠ –']);
    expect(await row('took').locator('td').allTextContents()).toEqual(['1 min 5 s', '≠ 2 min 10 s', '≠ 4 min 20 s']);
    expect(page.url()).toContain('runs=run-1%2Crun-2%2Crun-4');
    await page.getByLabel('run-2').uncheck();
    await table.locator('thead th').nth(3).waitFor({ state: 'detached' });
    expect(complaints).toEqual([]);
  }, 60_000);
});
