import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { consoleUrl, readMeshState } from '#libs/boot/mesh-state.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { launchBrowser, openPage } from '#libs/testing/chromium.js';
import { percentile, print } from './load-test.js';

/** How long until a person sees the mesh, from an address to live figures, with nothing in the browser's cache? In a real Chromium. */
const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, loads: { type: 'string', default: '20' } },
});
const state = readMeshState(process.env['MILLRACE_DATA'] ?? join(projectRoot(), '.millrace'));
if (state === undefined) throw new Error('no mesh is running here; start one with `npm start`');
const loads = Number(values.loads);
const [shellMs, figuresMs, requests, bytes]: [number[], number[], number[], number[]] = [[], [], [], []];
const browser = await launchBrowser();
for (let i = 0; i < loads; i += 1) {
  const { page } = await openPage(browser);
  let [asked, received] = [0, 0];
  page.on('request', () => (asked += 1));
  page.on('response', (response) => {
    if (!response.url().endsWith('/api/live')) received += Number(response.headers()['content-length'] ?? 0);
  });
  const startedMs = performance.now();
  await page.goto(consoleUrl(state), { waitUntil: 'commit' });
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  shellMs.push(performance.now() - startedMs);
  await page.getByRole('link', { name: /^registry: ready/ }).waitFor();
  figuresMs.push(performance.now() - startedMs);
  requests.push(asked);
  bytes.push(received);
  await page.context().close();
}
await browser.close();
print(values.json, {
  loads,
  signedInMs: { p50: percentile(shellMs, 0.5), p90: percentile(shellMs, 0.9) },
  liveFiguresMs: { p50: percentile(figuresMs, 0.5), p90: percentile(figuresMs, 0.9) },
  requests: percentile(requests, 0.5),
  kilobytes: Math.round(percentile(bytes, 0.5) / 1_000),
});
