import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Trace, type TracePredictionRequest } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type Console, openConsole } from './browser.js';
import { expectSound, lookOf, looks } from './looks.js';

const atMs = Date.UTC(2026, 10, 25, 9);
const sha256 = 'ab12'.repeat(16);
const proved = { proved: 'by audit entry 12' };
const items = [
  { kind: 'prediction', id: '7f3a-9', atMs, facts: { endpoint: 'late-arrival', version: 'late@3', score: '0.41' } },
  { kind: 'events', id: 'departures', atMs, facts: { 'partition 0': 'up to offset 4711' } },
  { kind: 'events', id: 'arrivals', atMs, facts: { 'partition 0': 'up to offset 4702' } },
  { kind: 'features', id: 'late-features', atMs, facts: { generation: '3', meaning: 'the same now' } },
  { kind: 'snapshot', id: sha256, facts: { sha256 } },
  { kind: 'run', id: 'run-3', atMs, facts: { pipeline: 'late-weekly' } },
  { kind: 'code', id: '', facts: { 'not recorded': 'the commit' } },
  { kind: 'version', id: 'late@3', atMs, facts: { onnx: sha256, ...proved } },
  { kind: 'approval', id: sha256, atMs, facts: { votes: '2 of 2', ...proved } },
  { kind: 'rollout', id: 'r-canary', atMs, facts: { 'move 1': 'shadow, by trainer', ...proved } },
  { kind: 'audit', id: 'log', facts: { entries: '29', proved: 'every number up to the head has its entry' } },
  { kind: 'audit', id: '12', atMs, facts: { action: 'promote', proved: 'under the signed head of size 29' } },
];
let console_: Console;
let answer: () => Trace;

beforeAll(async () => {
  const trace = ({ predictionId }: TracePredictionRequest) => {
    if (predictionId !== '7f3a-9') throw new MillraceError('not-found', `prediction ${predictionId} is not in the log`);
    return answer();
  };
  console_ = await openConsole({ governance: { tracePrediction: trace } });
}, 60_000);
afterAll(() => console_?.close(), 30_000);
beforeEach(() => {
  answer = () => Trace.fromPartial({ predictionId: '7f3a-9', items });
});

describe('the origin of a prediction', () => {
  it.each(looks)(
    'is a picture from the answer back to the events, with every fact and the proof (%s, %i x %i)',
    async (scheme, width, height) => {
      const { page, complaints } = await console_.visit('#/trace?id=7f3a-9', lookOf(scheme, width, height));
      await page.getByText('bears out all of these 12 links; of 1 something is kept nowhere.').waitFor();
      const box = (kind: string) => page.locator(`[data-origin=${kind}]`);
      expect(await page.locator('[data-origin]').count()).toBe(10);
      expect(await box('events').getAttribute('aria-label')).toBe('Events: 2 items');
      expect(await box('version').getAttribute('aria-label')).toBe('Model version: late@3, proved');
      expect(await box('code').getAttribute('aria-label')).toBe('Code: partly not recorded');
      const facts = await page.locator('dl.facts dd').allTextContents();
      expect(facts).toEqual(expect.arrayContaining(items.flatMap((item) => Object.values(item.facts))));
      expect(facts).toHaveLength(items.flatMap((item) => Object.values(item.facts)).length);
      // A box leads to its facts.
      await box('rollout').focus();
      await page.keyboard.press('Enter');
      await page.waitForURL(/at=rollout/);
      await page.locator('h2:focus').getByText('Rollout', { exact: true }).waitFor();
      await expectSound(page, complaints);
    },
    60_000,
  );

  it('says what the audit log does not bear out', async () => {
    const changed = items.map((item) =>
      item.kind === 'rollout' ? { ...item, facts: { 'not proved': 'entry 12 says otherwise' } } : item,
    );
    answer = () => Trace.fromPartial({ predictionId: '7f3a-9', items: changed });
    const { page } = await console_.visit('#/trace?id=7f3a-9');
    await page.getByText('1 of 12 links are not proved by the audit log').waitFor();
    expect(await page.locator('[data-origin=rollout]').getAttribute('class')).toContain('bad');
    await page.getByText('entry 12 says otherwise').waitFor();
  }, 60_000);

  it('says that it is not built, and that a prediction is not there; and is asked for by the form', async () => {
    answer = () => {
      throw new MillraceError('unimplemented', 'this call is not built in this version');
    };
    const { page } = await console_.visit('#/trace?id=7f3a-9');
    await page.getByText('Not built yet').waitFor();
    await page.getByLabel('Prediction').fill('another');
    await page.keyboard.press('Enter');
    await page.getByText('prediction another is not in the log').waitFor();
  }, 60_000);
});
