import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '#libs/storage/sql-file.js';
import { ask } from './ask.js';
import { type Figures, generate, type Load } from './generator.js';
import { repeated } from './models.js';
import { modelStreamInfer } from './open-inference-messages.js';
import { featureCount, type PeerModel, type Served } from './peer.js';
import { pssMiB } from './process-tree.js';
import { cores } from './start-pinned.js';

export const blockRows = 32;

/** What one peer did with one model. */
export interface Measured {
  /** 8 connections with 8 requests out on each; one row a request. */
  readonly full: Figures;
  /** Poisson arrivals at half of that. */
  readonly half: Figures;
  /** Poisson arrivals, 1,000 a second; left out where the peer does not reach that. */
  readonly thousand?: Figures;
  /** One connection, one request out. */
  readonly alone: Figures;
  /** As `full` with 32 rows a request. */
  readonly block: Figures;
  /** 4 streams with 8 requests of 32 rows out on each; only where streams are offered. */
  readonly stream?: Figures;
  /** After all of it. */
  readonly pssMiB: number;
}

export interface Lengths {
  readonly warmSeconds: number;
  readonly seconds: number;
}

const run = promisify(execFile);

/** Nothing but onnxruntime, on the servers' core: rows a second in runs of so many rows, and what the answer is. */
export async function onnxruntimeAlone(
  model: PeerModel,
  row: Float32Array,
  rows: number,
  seconds: number,
): Promise<{ rowsPerSecond: number; scores: number[] }> {
  const main = join(projectRoot(), 'dist/load-tests/peers/onnxruntime-alone.main.js');
  const args = [main, model.file, String(rows), String(featureCount), String(seconds), JSON.stringify([...row])];
  const { stdout } = await run('taskset', ['-c', String(cores.server), process.execPath, ...args]);
  return JSON.parse(stdout) as { rowsPerSecond: number; scores: number[] };
}

/** Loads of one server, usually as `full`. */
export type Loader = (settings: Partial<Load>) => Promise<Figures>;

export function loaderOf(binary: string, served: Served, payloads: readonly Uint8Array[], lengths: Lengths): Loader {
  const { protocol, address, path, headers } = served;
  const [connections, inflight] = protocol === 'http' ? [64, 1] : [8, 8];
  const usual = { protocol, address, path, headers, payloads, connections, inflight, rate: 0, ...lengths };
  return (settings) => generate(binary, cores.generator, { ...usual, ...settings }, served.pids);
}

/** @throws Error where an answer is not the model's, or requests fail */
export async function measure(
  binary: string,
  served: Served,
  row: Float32Array,
  expected: number,
  lengths: Lengths,
  streams: boolean,
): Promise<Measured> {
  await check(served, row, expected);
  const payloads = [served.request(repeated(row, blockRows))];
  const load = loaderOf(binary, served, [served.request(row)], lengths);
  const { warmSeconds, seconds } = lengths;
  const full = await load({ warmSeconds: warmSeconds * 2 });
  const half = await load({ rate: full.perSecond / 2 });
  const reaches = full.perSecond > 1_000;
  const thousand = reaches ? { thousand: await load({ rate: 1_000 }) } : {};
  const alone = await load({ connections: 1, inflight: 1, warmSeconds: warmSeconds / 2, seconds: seconds / 2 });
  const block = await load({ payloads });
  const onStream = { protocol: 'stream', path: modelStreamInfer, payloads, connections: 4 } as const;
  const stream = streams ? { stream: await load(onStream) } : {};
  return { full, half, ...thousand, alone, block, ...stream, pssMiB: pssMiB(served.pids) };
}

/** Trees are summed in another order by other builds of onnxruntime. */
const tolerance = 1e-5;

async function check(served: Served, row: Float32Array, expected: number): Promise<void> {
  for (const rows of [1, blockRows]) {
    const scores = await ask(served, repeated(row, rows));
    const wrong = scores.length !== rows || scores.some((score) => !(Math.abs(score - expected) <= tolerance));
    if (wrong)
      throw new Error(`answered ${scores.slice(0, 3).join(', ')} (${scores.length}) for ${rows} rows of ${expected}`);
  }
}
