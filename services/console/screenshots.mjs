// Pictures of every page of a running mesh, for the documentation: `npm run build && node services/console/screenshots.mjs` writes docs/console/*.png.
// What is in the navigation is pictured; what has to be looked up first (a proof, a vector) is listed here.
import { spawn } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { consoleUrl, readMeshState } from '../../dist/libs/boot/mesh-state.js';
import { launchBrowser, openPage } from '../../dist/libs/testing/chromium.js';

const root = new URL('../..', import.meta.url).pathname;
const state = readMeshState(process.env.MILLRACE_DATA ?? join(root, '.millrace'));
if (state === undefined) throw new Error('no mesh is running here; start one with `npm start`');
const folder = join(root, 'docs/console');
const maxBytes = 300_000;
const wide = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };
/** Live charts begin to say something: predictions are asked for meanwhile. */
const watchMs = 12_000;

mkdirSync(folder, { recursive: true });
const load = spawn(
  process.execPath,
  [join(root, 'dist/load-tests/predictions-per-second.js'), '--clients', '4', '--seconds', '30'],
  {
    stdio: 'ignore',
  },
);
const browser = await launchBrowser();
const first = await openPage(browser);
await signIn(first.page);
const hrefs = await first.page
  .getByRole('navigation', { name: 'Pages' })
  .getByRole('link')
  .evaluateAll((links) => links.map((link) => link.getAttribute('href')));
await first.page.context().close();

await picture('#/mesh', 'mesh', { colorScheme: 'light', viewport: wide });
await picture('#/mesh', 'mesh-dark', { colorScheme: 'dark', viewport: wide });
load.kill();
for (const href of hrefs.filter((href) => href !== '#/mesh'))
  await picture(href, nameOf(href), { colorScheme: 'light', viewport: wide });
await picture('#/mesh?service=monitor', 'mesh-phone', { colorScheme: 'dark', viewport: phone });
await picture('#/streams', 'streams-phone', { colorScheme: 'light', viewport: phone });
await picture('#/audit?entry=3', 'audit-proof', { colorScheme: 'dark', viewport: wide });
await picture('#/features', 'features-vector', { colorScheme: 'light', viewport: wide }, lookUp);
await picture('#/models', 'models-compared', { colorScheme: 'light', viewport: wide }, compareRuns);
await picture('#/rollouts', 'rollout', { colorScheme: 'light', viewport: wide }, openRollout);
await picture('#/rollouts', 'rollout-phone', { colorScheme: 'dark', viewport: phone }, openRollout);
await picture('#/predictions', 'prediction', { colorScheme: 'dark', viewport: wide }, openPrediction);
await picture('#/predictions', 'trace-origin', { colorScheme: 'light', viewport: wide }, traceOrigin);
await browser.close();

async function signIn(page) {
  await page.goto(consoleUrl(state));
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
}

async function picture(href, name, options, prepare = async () => undefined) {
  const { page, complaints } = await openPage(browser, options);
  await signIn(page);
  await page.goto(`http://${state.services.console.http}/${href}`);
  await page.getByText('Asking for').first().waitFor({ state: 'hidden' });
  await prepare(page);
  await page.waitForTimeout(href.startsWith('#/mesh') ? watchMs : 1_500);
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path });
  const { size } = statSync(path);
  console.log(`${name}.png ${Math.round(size / 1_000)} kB`);
  if (size > maxBytes) throw new Error(`${path} has ${size} bytes, and ${maxBytes} are the most`);
  if (complaints.length > 0) throw new Error(`${href}: ${complaints.join('; ')}`);
  await page.context().close();
}

/** A flight from Denver to Chicago, as the example has them. */
async function lookUp(page) {
  const form = page.getByRole('form', { name: /^Ask / });
  const row = {
    flight_id: '1',
    origin: 'DEN',
    destination: 'ORD',
    distance: '888',
    local_minute: '540',
    local_weekday: '2',
  };
  for (const [column, value] of Object.entries(row)) await form.getByLabel(column, { exact: true }).fill(value);
  await form.getByRole('button', { name: 'Look up' }).click();
  await page.getByText('As of ').waitFor();
}

/** The two newest, with what is marked in the picture. */
async function compareRuns(page) {
  await page.getByRole('checkbox').nth(0).check();
  await page.getByRole('checkbox').nth(1).check();
  await page.getByRole('region', { name: 'Runs side by side' }).scrollIntoViewIfNeeded();
}

/** The newest. */
async function openRollout(page) {
  await page
    .getByRole('region', { name: /^Rollouts/ })
    .getByRole('link')
    .first()
    .click();
  await page.getByText('Judged').first().waitFor();
}

async function openPrediction(page) {
  await page
    .getByRole('region', { name: /^Prediction log/ })
    .getByRole('button')
    .first()
    .click();
  await page.getByRole('link', { name: 'Trace to its origin' }).waitFor();
}

async function traceOrigin(page) {
  await openPrediction(page);
  await page.getByRole('link', { name: 'Trace to its origin' }).click();
  await page.getByRole('region', { name: 'Picture of the origin' }).waitFor();
}

function nameOf(href) {
  return href.replace(/^#\//, '').replaceAll('/', '-');
}
