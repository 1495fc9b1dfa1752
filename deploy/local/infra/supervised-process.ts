import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { existsSync, mkdirSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export type ProcessState = 'starting' | 'ready' | 'restarting' | 'stopped' | 'failed';

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;
  readonly cwd: string;
  readonly logFile: string;
  readonly pidFile: string;
  /** Start again, with growing delay, when it ends by itself. */
  readonly restart: boolean;
  readonly ready: () => Promise<boolean>;
  readonly readyTimeoutMs: number;
  readonly stopGraceMs: number;
  /** Goes before the command, e.g. to enter a namespace. */
  readonly wrapper?: readonly string[];
  /** What to send first when stopping; SIGTERM where left out. */
  readonly stopSignal?: NodeJS.Signals;
}

/** It ended, or did not answer, before it was ready for the first time. */
export class NotReadyError extends Error {}

const maxRestartDelayMs = 5_000;
/** A process that has never been ready, and ends more often than this, will not come. */
const maxFirstFailures = 3;

/** One child process: its log, its pid file, its restarts, its end. On Linux the kernel ends it when this process dies, so that no orphan stays. */
export class SupervisedProcess extends EventEmitter<{ state: [ProcessState] }> {
  private child: ChildProcess | undefined;
  private current: ProcessState = 'stopped';
  private stopping = false;
  private failures = 0;
  private wasReady = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(readonly spec: ProcessSpec) {
    super();
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get state(): ProcessState {
    return this.current;
  }

  /** Resolves when it answers; rejects with the end of its log when it does not within the time, or ends first. */
  async start(): Promise<void> {
    this.stopping = false;
    endLeftOver(this.spec.pidFile, markOf(this.spec));
    this.spawn();
    await this.becomeReady();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    const { child } = this;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill(this.spec.stopSignal ?? 'SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), this.spec.stopGraceMs);
      await ended;
      clearTimeout(force);
    }
    rmSync(this.spec.pidFile, { force: true });
    this.become('stopped');
  }

  private spawn(): void {
    const { spec } = this;
    mkdirSync(dirname(spec.logFile), { recursive: true });
    mkdirSync(dirname(spec.pidFile), { recursive: true });
    const log = openSync(spec.logFile, 'a');
    const [command, ...args] = [...(spec.wrapper ?? []), ...tiedToParent(spec.command, spec.args)] as [
      string,
      ...string[],
    ];
    this.child = spawn(command, args, { cwd: spec.cwd, env: spec.env, stdio: ['ignore', log, log] });
    closeSync(log);
    this.child.once('error', () => this.ended());
    this.child.once('exit', () => this.ended());
    if (this.child.pid !== undefined) writeFileSync(spec.pidFile, String(this.child.pid));
    this.become(this.failures === 0 ? 'starting' : 'restarting');
  }

  private ended(): void {
    if (this.stopping) return;
    this.failures += 1;
    if (!this.spec.restart || (!this.wasReady && this.failures > maxFirstFailures)) return this.become('failed');
    this.become('restarting');
    const delayMs = Math.min(maxRestartDelayMs, 100 * 2 ** (this.failures - 1));
    this.timer = setTimeout(() => {
      if (this.stopping) return;
      this.spawn();
      // Of a first start somebody waits already. Else the next end of the process, or its readiness, decides.
      if (this.wasReady) this.becomeReady().catch(() => undefined);
    }, delayMs);
  }

  private async becomeReady(): Promise<void> {
    const untilMs = Date.now() + this.spec.readyTimeoutMs;
    while (Date.now() < untilMs && this.current !== 'failed' && !this.stopping) {
      const { child } = this;
      if (child?.exitCode === null && child.signalCode === null && (await this.spec.ready()) && child === this.child) {
        this.failures = 0;
        this.wasReady = true;
        return this.become('ready');
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new NotReadyError(
      `${this.spec.name} did not become ready; the end of its log ${this.spec.logFile}:\n${tail(this.spec.logFile)}`,
    );
  }

  private become(state: ProcessState): void {
    this.current = state;
    this.emit('state', state);
  }
}

let setpriv: boolean | undefined;

/** Through util-linux's setpriv the kernel sends SIGKILL when the parent is gone. Where it is missing, the pid file lets the next start end what was left. */
function tiedToParent(command: string, args: readonly string[]): string[] {
  setpriv ??= process.platform === 'linux' && hasSetpriv();
  return setpriv ? ['setpriv', '--pdeathsig', 'KILL', '--', command, ...args] : [command, ...args];
}

function hasSetpriv(): boolean {
  try {
    return execFileSync('setpriv', ['--help'], { stdio: 'pipe' }).includes('--pdeathsig');
  } catch {
    return false; // not installed: a bare system without util-linux
  }
}

/** What only this process's command line has: the first path among its arguments, else the command. */
function markOf(spec: ProcessSpec): string {
  return spec.args.find((argument) => argument.startsWith('/')) ?? spec.command;
}

/** Ends the process of an earlier run that still lives, if its command line says that it is ours. */
export function endLeftOver(pidFile: string, mark: string): void {
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, 'utf8'));
  const commandLine = `/proc/${pid}/cmdline`;
  if (pid > 1 && existsSync(commandLine) && readFileSync(commandLine, 'utf8').includes(mark)) {
    process.kill(pid, 'SIGKILL');
    const untilMs = Date.now() + 5_000;
    while (existsSync(commandLine) && readFileSync(commandLine, 'utf8') !== '' && Date.now() < untilMs)
      execFileSync('sleep', ['0.05']);
  }
  rmSync(pidFile, { force: true });
}

export function tail(path: string, lines = 12): string {
  return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n') : '(no log)';
}
