import { join } from 'node:path';
import { readMeshState } from '#libs/boot/mesh-state.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { MeshClient, sleep } from '../examples/flights/src/mesh-client.js';

/** The mesh that runs here. */
export function connect(): MeshClient {
  const state = readMeshState(process.env['MILLRACE_DATA'] ?? join(projectRoot(), '.millrace'));
  if (state === undefined) throw new Error('no mesh is running here; start one with `npm start`');
  return new MeshClient(state);
}

/** Open loop: asks on schedule whatever comes back, and resolves when all has. @param ask gets when it was due, as performance.now() says, and its number from 0 */
export async function onSchedule(
  rate: number,
  seconds: number,
  ask: (dueMs: number, i: number) => Promise<void>,
): Promise<void> {
  const calls: Promise<void>[] = [];
  const startedMs = performance.now();
  while (calls.length < rate * seconds) {
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - startedMs) * rate) / 1_000));
    while (calls.length < due) calls.push(ask(startedMs + (calls.length * 1_000) / rate, calls.length));
    await sleep(1);
  }
  await Promise.all(calls);
}

export function percentile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  return Number((sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN).toFixed(2));
}

/** One line a figure, aligned; or one JSON object. */
export function print(json: boolean, figures: Record<string, unknown>): void {
  if (json) return console.log(JSON.stringify(figures));
  for (const [name, value] of Object.entries(figures))
    console.log(`${name.padEnd(24)} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
}
