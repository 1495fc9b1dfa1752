import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { ListAlertsResponse } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { ListRolloutsResponse } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { token } from '#libs/testing/service-process.js';
import { type Console, guestToken, openConsole } from './browser.js';

let console_: Console;

beforeAll(async () => {
  console_ = await openConsole({
    monitor: { listAlerts: () => ListAlertsResponse.fromPartial({ alerts: [] }) },
    registry: { listRollouts: () => ListRolloutsResponse.fromPartial({ rollouts: [] }) },
  });
}, 60_000);
afterAll(() => console_?.close(), 30_000);

const hasHorizontalScroll = (page: Page): Promise<boolean> =>
  page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth');

describe('signing in', () => {
  it('by the address: the token leaves it at once, and the cookie is out of reach of scripts', async () => {
    const { page, complaints } = await console_.open();
    const sent: string[] = [];
    page.on('request', (request) => sent.push(request.url()));
    await page.goto(`${console_.url}/#token=${token}`);
    await page.getByRole('heading', { name: 'Mesh' }).waitFor();
    expect(page.url()).not.toContain(token);
    expect(sent.filter((url) => url.includes(token))).toEqual([]);
    expect(await page.evaluate('document.cookie')).toBe('');
    const [cookie] = await page.context().cookies();
    expect(cookie).toMatchObject({ name: 'millrace_session', httpOnly: true, sameSite: 'Strict', path: '/' });
    expect(complaints).toEqual([]);
  }, 60_000);

  it('by the form, after a token that is not known was refused; and out again', async () => {
    const { page, complaints } = await console_.open();
    await page.goto(console_.url);
    await page.getByLabel('API token').fill('not-a-token-of-anybody');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('this API token is not known').waitFor();
    await page.getByLabel('API token').fill(token);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Mesh' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('API token').waitFor();
    const after = await page.evaluate("fetch('/api/session').then((response) => response.status)");
    expect(after).toBe(401);
    expect(complaints).toEqual([]);
  }, 60_000);
});

describe('the picture of the mesh', () => {
  it.each([
    ['light', 1280, 800],
    ['dark', 1280, 800],
    ['light', 390, 844],
  ] as const)(
    'shows every service as it is, live (%s, %i x %i)',
    async (colorScheme, width, height) => {
      const { page, complaints } = await console_.visit('#/mesh', { colorScheme, viewport: { width, height } });
      await page.getByRole('link', { name: /^validator: ready/ }).waitFor();
      expect(await page.locator('a.service.ready').count()).toBe(10);
      await page
        .getByRole('status')
        .filter({ hasText: /^live$/ })
        .waitFor();
      await page
        .getByRole('cell', { name: 'definitions.changed.v1' })
        .or(page.getByText('definitions.changed.v1'))
        .first()
        .waitFor();
      expect(await hasHorizontalScroll(page)).toBe(false);
      expect(await page.evaluate('document.documentElement.dataset.theme')).toBe(colorScheme);
      expect(complaints).toEqual([]);
    },
    60_000,
  );

  it('tells somebody without a role what is missing, in the words of who refused', async () => {
    const { page } = await console_.visit('#/mesh', { token: guestToken });
    await page.getByText('guest may not read mesh/metrics').waitFor();
    expect(await page.locator('a.service').count()).toBe(0);
  }, 60_000);
});

it('without a session nothing under /api answers, and the files of the page hold no data', async () => {
  for (const path of ['/api/live', '/api/session', '/api/streams', '/api/anything'])
    expect((await fetch(console_.url + path)).status).toBe(401);
  const page = await fetch(console_.url);
  expect(page.status).toBe(200);
  expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self' 'sha256-/);
  expect((await fetch(`${console_.url}/assets/../../package.json`)).status).not.toBe(200);
});

it('the keyboard alone reaches everything: skip link, pages, a service in the picture', async () => {
  const { page, complaints } = await console_.visit('#/mesh');
  await page.reload();
  await page.getByRole('link', { name: /^ingest: ready/ }).waitFor();
  const focused = (): Promise<string> => page.evaluate('document.activeElement.textContent');
  await page.keyboard.press('Tab');
  expect(await focused()).toBe('Skip to content');
  expect(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none'")).toBe(true);
  await page.keyboard.press('Enter');
  expect(await page.evaluate('document.activeElement.id')).toBe('main');
  await page.reload();
  await page.getByRole('link', { name: /^ingest: ready/ }).waitFor();
  for (const expected of ['Skip to content', 'Millrace', 'Mesh', 'Streams']) {
    await page.keyboard.press('Tab');
    expect(await focused()).toBe(expected);
  }
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Streams', level: 1 }).waitFor();
  await page.locator('#main:focus').waitFor();
  expect(await page.title()).toBe('Streams · Millrace');
  await page.goto(`${console_.url}/#/mesh`);
  await page.getByRole('link', { name: /^validator: ready/ }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /validator ready/ }).waitFor();
  expect(complaints).toEqual([]);
}, 60_000);

it('who goes to another page stands at its beginning from the moment that it is drawn, and is moved no more', async () => {
  const { page } = await console_.visit('#/mesh');
  await page.getByRole('link', { name: /^validator: ready/ }).waitFor();
  await page.goto(`${console_.url}/#/streams`);
  await page.getByRole('heading', { name: 'Streams', level: 1 }).waitFor();
  expect(await page.evaluate(focusedWhenDrawn)).toBe('main');
}, 60_000);

/** What has the focus in the moment in which the picture of the mesh is in the document, when a link brought it. */
const focusedWhenDrawn = `new Promise((resolve) => {
  document.querySelector('a.brand').focus();
  new MutationObserver((_, observer) => {
    if (document.querySelector('a.service') === null) return;
    observer.disconnect();
    resolve(document.activeElement.id);
  }).observe(document.getElementById('main'), { subtree: true, childList: true });
  location.hash = '#/mesh';
})`;

it('a live update leaves the focus where it is', async () => {
  const { page } = await console_.visit('#/mesh');
  const link = page.getByRole('link', { name: /^validator: ready/ });
  await link.focus();
  const label = await page.evaluate(focusedAfterUpdates);
  expect(label).toMatch(/^validator: ready/);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /validator ready/ }).waitFor();
}, 60_000);

/** What has the focus when three pictures of the live stream have come after it was set. */
const focusedAfterUpdates = `new Promise((resolve) => {
  const stream = new EventSource('/api/live');
  let pictures = 0;
  stream.addEventListener('mesh', () => {
    pictures += 1;
    if (pictures < 4) return; // the first is one of before
    stream.close();
    resolve(document.activeElement.getAttribute('aria-label'));
  });
})`;

it('the policy lets no script in that is not of the page', async () => {
  const { page, complaints } = await console_.visit('#/mesh');
  await page.evaluate(
    "document.body.append(Object.assign(document.createElement('script'), { text: 'window.smuggled = 1' }))",
  );
  await page.evaluate(
    'document.body.insertAdjacentHTML(\'beforeend\', \'<img src="/none" onerror="window.smuggled = 2">\')',
  );
  await expect(page.evaluate("fetch('http://127.0.0.1:1/').then(() => 'sent', (error) => error.name)")).resolves.toBe(
    'TypeError',
  );
  expect(await page.evaluate('window.smuggled')).toBeUndefined();
  expect(complaints.filter((text) => /Content Security Policy/.test(text)).length).toBeGreaterThanOrEqual(2);
}, 60_000);

it('the theme is as the system says until somebody says otherwise, which is remembered', async () => {
  const { page, complaints } = await console_.visit('#/mesh', { colorScheme: 'light' });
  const theme = (): Promise<string> => page.evaluate('document.documentElement.dataset.theme');
  const ground = (): Promise<string> => page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
  expect(await theme()).toBe('light');
  const light = await ground();
  await page.getByRole('button', { name: 'Dark' }).click();
  expect(await ground()).not.toBe(light);
  await page.reload();
  await page.getByRole('heading', { name: 'Mesh' }).waitFor();
  expect(await theme()).toBe('dark');
  expect(complaints).toEqual([]);
}, 60_000);

it.each(['light', 'dark'] as const)(
  'text has at least 4.5 to 1 of contrast to what it stands on (%s)',
  async (colorScheme) => {
    const { page } = await console_.visit('#/mesh', { colorScheme });
    await page.getByRole('link', { name: /^ingest: ready/ }).waitFor();
    expect(await page.evaluate(lowContrast)).toEqual([]);
  },
  60_000,
);

/** WCAG 2.2, 1.4.3: every custom property for text against every ground it is used on. */
const lowContrast = `(() => {
  const style = getComputedStyle(document.documentElement);
  const channel = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = (name) => {
    const hex = style.getPropertyValue(name).trim();
    const [r, g, b] = [1, 3, 5].map((at) => channel(parseInt(hex.slice(at, at + 2), 16) / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const pairs = [];
  for (const text of ['--text', '--quiet', '--link', '--good', '--bad', '--warn'])
    for (const ground of ['--ground', '--surface']) pairs.push([text, ground]);
  for (const tone of ['good', 'bad', 'warn']) pairs.push(['--' + tone, '--' + tone + '-ground'], ['--text', '--' + tone + '-ground']);
  pairs.push(['--text', '--calm-ground'], ['--quiet', '--warn-ground'], ['--on-accent', '--accent']);
  return pairs.filter(([text, ground]) => ratio(text, ground) < 4.5).map(([text, ground]) => text + ' on ' + ground + ': ' + ratio(text, ground).toFixed(2));
})()`;
