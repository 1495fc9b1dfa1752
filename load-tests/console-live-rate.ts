import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readMeshState } from '#libs/boot/mesh-state.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { percentile, print } from './load-test.js';

/** How often does the console's live stream bring a new picture of the mesh to many who look at once, and what does a picture cost? */
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    viewers: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '20' },
  },
});
const state = readMeshState(process.env['MILLRACE_DATA'] ?? join(projectRoot(), '.millrace'));
if (state === undefined) throw new Error('no mesh is running here; start one with `npm start`');
const base = `http://${state.services.console.http}`;
const headers = { authorization: `Bearer ${state.token}` };
const [viewers, seconds] = [Number(values.viewers), Number(values.seconds)];

const before = await frameCost();
const gaps = (await Promise.all(Array.from({ length: viewers }, watch))).flat();
const after = await frameCost();
const frames = after.count - before.count;
print(values.json, {
  viewers,
  seconds,
  pictures: frames,
  picturesPerSecond: Number((frames / seconds).toFixed(2)),
  gapMs: { p50: percentile(gaps, 0.5), p99: percentile(gaps, 0.99) },
  meanPictureMs: Number((((after.sum - before.sum) / frames) * 1_000).toFixed(1)),
});

/** Milliseconds between the pictures that one viewer gets. */
async function watch(): Promise<number[]> {
  const response = await fetch(`${base}/api/live`, { headers, signal: AbortSignal.timeout(seconds * 1_000) });
  const gaps: number[] = [];
  let last: number | undefined;
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body!) {
      const pictures = decoder.decode(chunk as Uint8Array, { stream: true }).split('event: mesh\n').length - 1;
      const nowMs = performance.now();
      if (pictures > 0 && last !== undefined) gaps.push(nowMs - last);
      if (pictures > 0) last = nowMs;
    }
  } catch (error) {
    if ((error as Error).name !== 'TimeoutError') throw error;
  }
  return gaps;
}

async function frameCost(): Promise<{ count: number; sum: number }> {
  const text = await (await fetch(`${base}/metrics`, { headers })).text();
  const read = (name: string): number =>
    Number(new RegExp(`^millrace_console_frame_seconds_${name}\\{[^}]*\\} (\\S+)`, 'm').exec(text)?.[1] ?? 0);
  return { count: read('count'), sum: read('sum') };
}
