import { randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { readJsonFile } from '#libs/storage/json-file.js';
import type { BatchPlan } from '../domain/batch/batch-plan.js';
import { type BatchProgress, nothingDone } from '../domain/batch/batch-progress.js';
import { replaceFile } from './durable-file.js';

interface Holder {
  readonly host: string;
  readonly pid: number;
  readonly id: string;
}

/** What a run keeps of itself: its plan, how far it is, what a query gave, and the scores that a table has not got yet. One process at a time. */
export class RunFolder {
  private readonly holder: Holder = { host: hostname(), pid: process.pid, id: randomUUID() };

  private constructor(
    readonly runId: string,
    readonly path: string,
  ) {}

  /** @param parent folder of all runs @throws MillraceError failed-precondition where another process is at it */
  static take(parent: string, runId: string): RunFolder {
    const folder = new RunFolder(runId, join(parent, runId));
    mkdirSync(folder.path, { recursive: true });
    folder.lock();
    return folder;
  }

  /** All runs that have a plan, by name. */
  static list(parent: string): { runId: string; plan: BatchPlan; progress: BatchProgress }[] {
    if (!existsSync(parent)) return [];
    return readdirSync(parent)
      .sort()
      .map((runId) => new RunFolder(runId, join(parent, runId)))
      .flatMap((folder) => {
        const plan = folder.plan();
        return plan === undefined ? [] : [{ runId: folder.runId, plan, progress: folder.progress() }];
      });
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Undefined = the run has not begun. */
  plan(): BatchPlan | undefined {
    return existsSync(this.file('plan.json')) ? readJsonFile<BatchPlan>(this.file('plan.json')) : undefined;
  }

  progress(): BatchProgress {
    const path = this.file('progress.json');
    return existsSync(path) ? readJsonFile<BatchProgress>(path) : nothingDone;
  }

  writePlan(plan: BatchPlan): Promise<void> {
    return replaceFile(this.file('plan.json'), JSON.stringify(plan, null, 2));
  }

  /** @throws MillraceError where another process has taken the run meanwhile */
  async writeProgress(progress: BatchProgress): Promise<void> {
    if (this.heldBy()?.id !== this.holder.id) throw this.taken();
    await replaceFile(this.file('progress.json'), JSON.stringify(progress));
  }

  /** Forgets all that was done, and keeps the lock. */
  clear(): void {
    for (const name of readdirSync(this.path)) if (name !== 'lock') rmSync(this.file(name));
  }

  release(): void {
    if (this.heldBy()?.id === this.holder.id) rmSync(this.file('lock'));
  }

  /** A process that was killed leaves its lock behind: whoever renames it away first may make a new one. */
  private lock(): void {
    for (;;) {
      try {
        writeFileSync(this.file('lock'), JSON.stringify(this.holder), { flag: 'wx' });
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = this.heldBy();
      if (holder !== undefined && isAlive(holder)) throw this.taken();
      this.takeAway(holder);
    }
  }

  /** @throws MillraceError where another process did the same, and it was its lock that was taken */
  private takeAway(holder: Holder | undefined): void {
    const stale = this.file(`lock.${this.holder.id}`);
    try {
      renameSync(this.file('lock'), stale);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; // another was first, and has to be looked at anew
      throw error;
    }
    const taken = this.heldBy(stale);
    if (taken?.id !== holder?.id) linkSync(stale, this.file('lock'));
    rmSync(stale);
    if (taken?.id !== holder?.id) throw this.taken();
  }

  private heldBy(path = this.file('lock')): Holder | undefined {
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as Holder;
    } catch {
      return undefined; // none, or one that was torn as its process was killed
    }
  }

  private taken(): MillraceError {
    const holder = this.heldBy();
    const who = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
    return new MillraceError(
      'failed-precondition',
      `run ${this.runId} is being worked on by ${who}; where that has ended, remove ${this.file('lock')}`,
    );
  }
}

/** Of another machine nobody knows here. */
function isAlive({ host, pid }: Holder): boolean {
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
