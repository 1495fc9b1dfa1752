import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { token } from '#libs/testing/service-process.js';
import { type Console, openConsole } from './browser.js';
import { listDefinitions } from './recorded.js';

const idleSeconds = 3;
let console_: Console;

/** The validator is away, the monitor answers nothing it is asked, and sessions are short. */
beforeAll(async () => {
  const short = { SESSION_IDLE_SECONDS: String(idleSeconds) };
  console_ = await openConsole({ registry: { listDefinitions } }, short, ['validator']);
}, 60_000);
afterAll(() => console_?.close(), 30_000);

it('a service that is away leaves a gap with its name, and the rest of the page as it is', async () => {
  const { page, complaints } = await console_.visit('#/streams');
  await page.getByRole('table', { name: 'Columns of arrivals' }).waitFor();
  const error = page.getByRole('alert').filter({ hasText: 'validator:' });
  await error.waitFor();
  expect(await error.textContent()).toContain('A service does not answer');
  await error.getByRole('button', { name: 'Try again' }).waitFor();
  await page.getByRole('link', { name: 'Mesh' }).click();
  await page.getByRole('link', { name: /^validator: away/ }).waitFor();
  await page.getByRole('link', { name: /^registry: ready/ }).waitFor();
  await page.getByText('alerts: monitor: this call is not built in this version').waitFor();
  expect(complaints).toEqual([]);
}, 60_000);

it('a session that ended asks to sign in, and signing in goes on where it was', async () => {
  const { page, complaints } = await console_.visit('#/features');
  await page.getByRole('table', { name: 'Features of airport-arrivals' }).waitFor();
  // Nobody looks: a page that is hidden has no stream, and its session ends.
  await page.evaluate(hide(true));
  await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1_000 + 500));
  await page.getByRole('link', { name: 'Streams' }).click();
  await page.getByText('Your session has ended.').waitFor();
  await page.getByLabel('API token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Streams' }).waitFor();
  expect(complaints).toEqual([]);
}, 60_000);

it('the live stream of a session that was ended elsewhere ends, and the page asks to sign in', async () => {
  const { page } = await console_.visit('#/mesh');
  await page.getByRole('link', { name: /^registry: ready/ }).waitFor();
  const [cookie] = await page.context().cookies();
  const answer = await fetch(`${console_.url}/api/session`, {
    method: 'DELETE',
    headers: { cookie: `millrace_session=${cookie!.value}`, 'x-millrace-console': '1' },
  });
  expect(answer.status).toBe(200);
  await page.getByText('Your session has ended.').waitFor();
}, 60_000);

it('a call that changes something is refused without the header of the page, and from elsewhere', async () => {
  const { page } = await console_.visit('#/mesh');
  const [cookie] = await page.context().cookies();
  const post = async (headers: Record<string, string>) => {
    const given = { cookie: `millrace_session=${cookie!.value}`, ...headers };
    return (await fetch(`${console_.url}/api/audit/verify`, { method: 'POST', headers: given })).status;
  };
  expect(await post({})).toBe(403);
  expect(await post({ 'x-millrace-console': '1', origin: 'http://evil.example' })).toBe(403);
  expect(await post({ 'x-millrace-console': '1' })).toBe(501);
}, 60_000);

it('a console that is away is said so, with the picture of before, and the page goes on when it is back', async () => {
  const { page } = await console_.visit('#/mesh');
  await page.getByRole('link', { name: /^registry: ready/ }).waitFor();
  await page.context().setOffline(true);
  await page.route('**/api/live', (route) => route.abort());
  await page.evaluate(hide(true));
  await page.evaluate(hide(false));
  await page.getByText('Not live: this is the mesh of').waitFor();
  await page.getByRole('link', { name: /^registry: ready/ }).waitFor();
  await page.unroute('**/api/live');
  await page.context().setOffline(false);
  await page.getByText('Not live: this is the mesh of').waitFor({ state: 'hidden' });
}, 60_000);

/** What a browser says when another tab is looked at. */
function hide(hidden: boolean): string {
  return `Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${hidden} }); document.dispatchEvent(new Event('visibilitychange'))`;
}
