import type { Fault } from './outcome.js';

export interface Checked {
  readonly ok: true;
  /** What the model took of a process of its own: growth of resident memory, at least its file. */
  readonly memoryBytes: number;
}

/** Finds out whether a stranger's model can be loaded without harm to the process that serves. */
export abstract class ModelChecker {
  /** @param path of the file, whose bytes have the hash. A fault = it cannot */
  abstract check(sha256: string, path: string): Promise<Checked | Fault>;
}

/** A model that was refused is not tried again before this: each try may take all of the time that a check has. Not for ever: the machine may have been short of something. */
const refusalKeptMs = 60_000;
const maxKept = 1_000;

interface Kept {
  readonly outcome: Checked | Fault;
  readonly untilMs: number;
}

/** Remembers by hash what checks came to, the last thousand; a check that threw said nothing and is not kept. Who asks for the same model at the same time shares one. */
export class RememberingChecker extends ModelChecker {
  /** The oldest first. */
  private readonly kept = new Map<string, Kept>();
  private readonly underWay = new Map<string, Promise<Checked | Fault>>();

  constructor(
    private readonly checkNew: (sha256: string, path: string) => Promise<Checked | Fault>,
    private readonly nowMs: () => number,
  ) {
    super();
  }

  override async check(sha256: string, path: string): Promise<Checked | Fault> {
    const kept = this.kept.get(sha256);
    if (kept !== undefined && kept.untilMs > this.nowMs()) return kept.outcome;
    let checking = this.underWay.get(sha256);
    if (checking === undefined) {
      checking = this.checkAndKeep(sha256, path).finally(() => this.underWay.delete(sha256));
      this.underWay.set(sha256, checking);
    }
    return checking;
  }

  private async checkAndKeep(sha256: string, path: string): Promise<Checked | Fault> {
    const outcome = await this.checkNew(sha256, path);
    this.kept.delete(sha256);
    this.kept.set(sha256, { outcome, untilMs: outcome.ok ? Infinity : this.nowMs() + refusalKeptMs });
    if (this.kept.size > maxKept) this.kept.delete(this.kept.keys().next().value!);
    return outcome;
  }
}
