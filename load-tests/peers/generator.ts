import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '#libs/storage/sql-file.js';
import { peerCache } from './peer-cache.js';
import type { Served } from './peer.js';
import { cpuUs } from './process-tree.js';

export interface Load {
  readonly protocol: 'grpc' | 'stream' | 'http';
  readonly address: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** By turns on each connection. */
  readonly payloads: readonly Uint8Array[];
  readonly connections: number;
  readonly inflight: number;
  /** Arrivals a second; 0 = closed loop. */
  readonly rate: number;
  readonly warmSeconds: number;
  readonly seconds: number;
  /** An answer later than that has failed, and the server is told (grpc-timeout). Left out = none. */
  readonly withinSeconds?: number;
}

export interface Figures {
  readonly answered: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** How much later than due the generator itself was, open loop; its latencies have it in them. */
  readonly lateP99Ms: number;
  readonly failed: Readonly<Record<string, number>>;
  /** The slowest of them. */
  readonly failedMaxMs: number;
  /** Of the server, for each answer. */
  readonly cpuUs: number;
}

/** The load generator in Go, compiled when its source has changed. */
export function buildGenerator(): string {
  const binary = join(peerCache(), 'generator');
  execFileSync('go', ['build', '-o', binary, '.'], {
    cwd: join(projectRoot(), 'load-tests/peers/generator'),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return binary;
}

/** More than this and it is no figure; what is less is told beside it. */
const mostFailed = 0.05;

/** Runs it on a core of its own. @throws Error when a connection breaks, or more than one in twenty is not answered */
export async function generate(binary: string, core: number, load: Load, pids: Served['pids']): Promise<Figures> {
  return checked(await offer(binary, core, load, pids));
}

/** The same, however many are not answered. @throws Error when a connection breaks */
export async function offer(binary: string, core: number, load: Load, pids: Served['pids']): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-peers-'));
  const { protocol, address, path, connections, inflight, rate, warmSeconds: warm, seconds } = load;
  const within = load.withinSeconds ?? 0;
  const settings = { protocol, address, path, connections, inflight, rate, warm, seconds, within };
  const args = Object.entries(settings).flatMap(([name, value]) => [`-${name}`, String(value)]);
  for (const [name, value] of Object.entries(load.headers)) args.push('-header', `${name}: ${value}`);
  if (within > 0) args.push('-header', `grpc-timeout: ${Math.round(within * 1_000)}m`);
  for (const [i, payload] of load.payloads.entries()) {
    const file = join(folder, String(i));
    writeFileSync(file, payload);
    args.push('-payload', file);
  }
  try {
    const child = spawn('taskset', ['-c', String(core), binary, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
    const closed = once(child, 'close');
    const lines: string[] = [];
    const cpu: Record<string, number> = {};
    for await (const line of createInterface({ input: child.stdout })) {
      if (line === 'begin' || line === 'end') cpu[line] = cpuUs(pids);
      else lines.push(line);
    }
    const [code] = (await closed) as [number | null];
    if (code !== 0) throw new Error(errors.trim() || `the generator ended with ${code}`);
    const figures = JSON.parse(lines.join('')) as Omit<Figures, 'cpuUs'>;
    const used = (cpu['end'] ?? Number.NaN) - (cpu['begin'] ?? Number.NaN);
    return { ...figures, cpuUs: Math.round((used / figures.answered) * 10) / 10 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Share of what was asked that failed or was refused. */
export function failedShare({ failed, answered }: Pick<Figures, 'failed' | 'answered'>): number {
  const count = Object.values(failed).reduce((sum, one) => sum + one, 0);
  return count === 0 ? 0 : count / (count + answered);
}

function checked(figures: Figures): Figures {
  if (figures.answered > 0 && failedShare(figures) <= mostFailed) return figures;
  const [first, count] = Object.entries(figures.failed).toSorted(([, a], [, b]) => b - a)[0] ?? ['nothing came', 0];
  throw new Error(
    `${(failedShare(figures) * 100).toFixed(1)} % failed, ${figures.answered} answered; ${count} times ${first}`,
  );
}
