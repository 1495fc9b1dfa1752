import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '#libs/storage/cache-folder.js';
import { projectRoot } from '#libs/storage/sql-file.js';

const run = promisify(execFile);
const source = join(projectRoot(), 'load-tests/generator');

export interface Offered {
  readonly address: string;
  readonly message: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly seconds: number;
  /** Calls a second, on schedule, whatever comes back; left out = 64 in flight. */
  readonly rate?: number;
  readonly method?: string;
}

export interface Answered {
  readonly calls: number;
  /** By gRPC status: OK, ResourceExhausted, ... Latencies since a call was due. */
  readonly codes: Readonly<Record<string, { calls: number; p50Ms: number; p99Ms: number; maxMs: number }>>;
  /** OK ones, by the second in which they were due. */
  readonly okPerSecond: readonly number[];
}

/** Offers calls from core 1, each with a deadline of one second, by a native generator (load-tests/generator, built by Go once). */
export async function offer({ address, message, headers, seconds, rate, method }: Offered): Promise<Answered> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-offered-'));
  const file = join(folder, 'message');
  writeFileSync(file, message);
  const pairs = Object.entries(headers).map(([name, value]) => `${name}=${value}`);
  const args = ['-address', address, '-message', file, '-seconds', String(seconds), '-headers', pairs.join()];
  if (rate !== undefined) args.push('-rate', String(rate));
  if (method !== undefined) args.push('-method', method);
  const { stdout } = await run('taskset', ['-c', '1', await ensureGenerator(), ...args], { maxBuffer: 2 ** 24 });
  rmSync(folder, { recursive: true });
  return JSON.parse(stdout) as Answered;
}

async function ensureGenerator(): Promise<string> {
  const hash = createHash('sha256')
    .update(readFileSync(join(source, 'main.go')))
    .update(readFileSync(join(source, 'go.sum')));
  const binary = cacheFolder(`generator-${hash.digest('hex').slice(0, 12)}`);
  if (!existsSync(binary)) await run('go', ['build', '-o', binary, '.'], { cwd: source });
  return binary;
}
