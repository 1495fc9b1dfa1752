import { join } from 'node:path';
import { readMeshState } from '#libs/boot/mesh-state.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { MeshClient } from '../examples/flights/src/mesh-client.js';

/** The mesh that runs here. */
export function connect(): MeshClient {
  const state = readMeshState(process.env['MILLRACE_DATA'] ?? join(projectRoot(), '.millrace'));
  if (state === undefined) throw new Error('no mesh is running here; start one with `npm start`');
  return new MeshClient(state);
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
