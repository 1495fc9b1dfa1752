import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import {
  GetWatermarksResponse,
  type VectorsRequest,
  VectorsResponse,
} from '#libs/contracts/generated/millrace/features/v1/features.js';
import {
  type ListQuarantinedRequest,
  ListQuarantinedResponse,
} from '#libs/contracts/generated/millrace/validator/v1/validator.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type Console, guestToken, openConsole } from './browser.js';
import { auditLog, listDefinitions } from './recorded.js';

const entries = 77;
const watermarkMs = Date.parse('2001-06-30T23:00:00Z');
const asked: VectorsRequest[] = [];
let console_: Console;

beforeAll(async () => {
  console_ = await openConsole({
    registry: { listDefinitions },
    validator: { listQuarantined: quarantined },
    'feature-store': {
      getWatermarks: () => GetWatermarksResponse.fromPartial({ positions: [{ stream: 'departures', watermarkMs }] }),
      getVectors: vectors,
    },
    governance: auditLog(entries),
  });
}, 60_000);
afterAll(() => console_?.close(), 30_000);

function quarantined({ stream }: ListQuarantinedRequest): ListQuarantinedResponse {
  if (stream !== 'arrivals') return ListQuarantinedResponse.fromPartial({ total: 0 });
  const delay = { code: 'expectation', column: 'delay', message: 'delay is 2000, at most 1440' };
  const origin = { code: 'missing-column', column: 'origin', message: 'origin: is missing' };
  return ListQuarantinedResponse.fromPartial({
    total: 7,
    events: [
      {
        stream,
        eventId: 'bad-1',
        quarantinedAtMs: Date.now(),
        reasons: [delay, origin],
        data: Buffer.from('{"<b>": 1}'),
      },
      { stream, eventId: 'bad-2', quarantinedAtMs: Date.now() - 7_200_000, reasons: [delay], data: Buffer.from('x') },
    ],
  });
}

function vectors(request: VectorsRequest): VectorsResponse {
  asked.push(request);
  const row = JSON.parse(request.rows[0]!.toString()) as { distance?: number };
  if (row.distance === 13) throw new MillraceError('unavailable', 'redis is away');
  const values = new Float32Array([0.25, Number.NaN, row.distance ?? Number.NaN]);
  return VectorsResponse.fromPartial({
    rows: 1,
    features: 3,
    asOfMs: request.asOfMs,
    vectors: Buffer.from(values.buffer),
    positions: [],
  });
}

const hasHorizontalScroll = (page: Page): Promise<boolean> =>
  page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth');

const sizes = [
  ['light', 1280, 800],
  ['dark', 390, 844],
] as const;

describe('Streams', () => {
  it.each(sizes)(
    'shows schema, counts of reasons and the newest quarantined (%s, %i x %i)',
    async (...look) => {
      const [colorScheme, width, height] = look;
      const { page, complaints } = await console_.visit('#/streams', { colorScheme, viewport: { width, height } });
      await page.getByText('7 in all, the newest 2 of them below.').waitFor();
      const bars = await page
        .getByRole('list', { name: 'Reasons of the newest' })
        .getByRole('listitem')
        .allTextContents();
      expect(bars).toEqual(['expectation · delay2', 'missing-column · origin1']);
      const first = page.getByRole('row', { name: /bad-1/ });
      expect(await first.textContent()).toContain('delay is 2000, at most 1440');
      expect(await first.textContent()).toContain('origin: is missing');
      await first.getByText('show').click();
      expect(await first.locator('pre').textContent()).toBe('{"<b>": 1}');
      const second = page.getByRole('row', { name: /bad-2/ }).locator('time');
      expect(await second.textContent()).toBe('2 h ago');
      expect(await second.getAttribute('title')).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
      expect(await page.getByRole('table', { name: 'Columns of arrivals' }).getByRole('row').count()).toBe(5);
      expect(await hasHorizontalScroll(page)).toBe(false);
      await page.getByRole('link', { name: 'departures' }).click();
      await page.getByText('Nothing was quarantined.').waitFor();
      expect(complaints).toEqual([]);
    },
    60_000,
  );
});

describe('Features', () => {
  it.each(sizes)(
    'shows views with their expressions, and a vector as it is now (%s, %i x %i)',
    async (...look) => {
      const [colorScheme, width, height] = look;
      const { page, complaints } = await console_.visit('#/features', { colorScheme, viewport: { width, height } });
      const view = page.getByRole('table', { name: 'Features of airport-arrivals' });
      await view.waitFor();
      expect(await view.getByRole('row').allTextContents()).toEqual([
        'FeatureIs theOfOver',
        'late_rate_24hmeandelay >= 15 ? 1 : 01d',
        'count_1hcount*1h',
      ]);
      const form = page.getByRole('form', { name: 'Ask departure-risk' });
      await form.getByLabel('origin').fill('DEN');
      await form.getByLabel('distance').fill('888');
      await form.getByRole('button', { name: 'Look up' }).click();
      await page.getByText('As of 2001-06-30 23:00:00 UTC').waitFor();
      expect(
        await page.getByRole('table', { name: 'Vector of departure-risk' }).getByRole('row').allTextContents(),
      ).toEqual([
        'FeatureValueFrom',
        'at_origin__late_rate_24h0.25airport-arrivals.late_rate_24h of airport = origin',
        'at_origin__count_1hnullairport-arrivals.count_1h of airport = origin',
        'distance888request: distance',
      ]);
      expect(JSON.parse(asked.at(-1)!.rows[0]!.toString())).toEqual({ origin: 'DEN', distance: 888 });
      expect(asked.at(-1)!.asOfMs).toEqual([watermarkMs]);
      expect(await hasHorizontalScroll(page)).toBe(false);
      expect(complaints).toEqual([]);
    },
    60_000,
  );

  it('names the field of what was typed wrong, and the service that refused', async () => {
    const { page } = await console_.visit('#/features');
    const form = page.getByRole('form', { name: 'Ask departure-risk' });
    await form.getByLabel('distance').fill('far');
    await form.getByRole('button', { name: 'Look up' }).click();
    await page.getByText('distance: "far" is not a whole number').waitFor();
    await form.getByLabel('distance').fill('13');
    await form.getByRole('button', { name: 'Look up' }).click();
    await page.getByText('feature-store: redis is away').waitFor();
  }, 60_000);
});

describe('Audit', () => {
  it.each(sizes)(
    'shows head, entries, filters and pages, and verifies (%s, %i x %i)',
    async (...look) => {
      const [colorScheme, width, height] = look;
      const { page, complaints } = await console_.visit('#/audit', { colorScheme, viewport: { width, height } });
      await page.getByText('signature holds').waitFor();
      const rows = page.getByRole('table', { name: 'Audit entries' }).getByRole('row');
      await expectCount(rows, 51);
      expect(await rows.nth(1).textContent()).toMatch(/^76/);
      await page.getByRole('link', { name: 'Older' }).click();
      await expectCount(rows, 28);
      await page.getByLabel('Decision').selectOption('deny');
      await page.getByLabel('Resource begins with').fill('endpoints/');
      await page.getByRole('button', { name: 'Show' }).click();
      await expectCount(rows, 9);
      expect(new URL(page.url()).hash).toBe('#/audit?decision=deny&resource=endpoints%2F');
      await page.getByRole('button', { name: 'Verify' }).click();
      await page.getByText('77 entries under 12 signed heads: nothing was changed.').waitFor();
      expect(await hasHorizontalScroll(page)).toBe(false);
      expect(complaints).toEqual([]);
    },
    60_000,
  );

  it.each([0, 1, 31, 32, 63, 64, 75, 76])(
    'recomputes the proof of entry %i of 77 in the browser',
    async (index) => {
      const { page, complaints } = await console_.visit(`#/audit?entry=${index}`);
      const proof = page.getByRole('region', { name: `Proof of entry ${index}` });
      await proof.getByRole('heading', { name: /proved/ }).waitFor();
      const root = await proof.locator('p code').last().textContent();
      expect(await proof.locator('ol code').last().textContent()).toBe(root);
      expect(complaints).toEqual([]);
    },
    60_000,
  );

  it('says that a proof does not hold when the bytes of the entry are others', async () => {
    const { page } = await console_.visit('#/streams');
    await page.route('**/api/audit/proof*', async (route) => {
      const proof = (await (await route.fetch()).json()) as { leaf: string };
      await route.fulfill({ json: { ...proof, leaf: proof.leaf.replace('local-user', 'somebody-else') } });
    });
    await page.goto(`${console_.url}/#/audit?entry=6`);
    await page.getByRole('heading', { name: /does not hold/ }).waitFor();
  }, 60_000);
});

it('somebody without a role is told on each page what is missing', async () => {
  for (const [hash, refusal] of [
    ['#/streams', 'guest may not read definitions/*'],
    ['#/features', 'guest may not read definitions/*'],
    ['#/audit', 'guest may not read audit/log'],
  ]) {
    const { page } = await console_.visit(hash!, { token: guestToken });
    await page.getByText('You may not see this').first().waitFor();
    expect(await page.getByRole('alert').first().textContent()).toContain(refusal);
    await page.context().close();
  }
}, 60_000);

async function expectCount(rows: { count(): Promise<number> }, wanted: number): Promise<void> {
  const until = Date.now() + 10_000;
  for (let found = await rows.count(); found !== wanted; found = await rows.count()) {
    if (Date.now() > until) expect(found).toBe(wanted);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
