import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from './process-tree.js';

/** Where servers run, and where the generator does. */
export const cores = { server: 0, generator: 1 } as const;

export interface PinnedProcess {
  readonly pid: number;
  /** The end of what it has printed. */
  tail(): string;
  ended(): boolean;
  /** Ends it and all that it started. */
  stop(): Promise<void>;
}

const keptCharacters = 4_000;
const patienceMs = 10_000;

/** Starts a server on the servers' core, with one thread for each of the usual numeric libraries. */
export function startPinned(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): PinnedProcess {
  const child = spawn('taskset', ['-c', String(cores.server), command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], OMP_NUM_THREADS: '1', ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  let printed = '';
  const keep = (text: Buffer) => (printed = (printed + text.toString()).slice(-keptCharacters));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid!,
    tail: () => printed.trim(),
    ended,
    stop: async () => {
      const tree = processTree(child.pid!);
      if (!ended()) {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        await Promise.race([exited, sleep(patienceMs)]);
      }
      for (const pid of tree) killQuietly(pid);
    },
  };
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH: it ended with its parent, as it should
  }
}

/** @throws Error with what it printed, where it ends first or is not there in time */
export async function untilListening(port: number, child: PinnedProcess, timeoutMs = 60_000): Promise<void> {
  await untilTrue(() => canConnect(port), child, timeoutMs);
}

export async function untilTrue(
  check: () => Promise<boolean>,
  child: PinnedProcess,
  timeoutMs = 60_000,
): Promise<void> {
  for (const endMs = Date.now() + timeoutMs; !(await check()); await sleep(50)) {
    if (child.ended()) throw new Error(`it ended at once: ${lastLines(child.tail())}`);
    if (Date.now() <= endMs) continue;
    await child.stop();
    throw new Error(`not ready within ${timeoutMs / 1_000} s: ${lastLines(child.tail())}`);
  }
}

const lastLines = (text: string): string => text.split('\n').slice(-6).join(' | ').slice(-600);

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => settle(true)).once('error', () => settle(false));
  });
}
