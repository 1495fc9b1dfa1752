import { fileURLToPath } from 'node:url';
import type { Checked } from '../domain/model-checker.js';
import { type Fault, fault } from '../domain/outcome.js';
import type { CheckLimits, CheckOrder } from './check-order.js';
import { CheckProcess } from './check-process.js';

const builtEntry = fileURLToPath(new URL('./check-model.child.js', import.meta.url));
/** One model that hangs must not keep the next from its check. */
const maxAtOnce = 2;

/**
 * Checks each model in a process that has seen no other, so that one cannot spoil the verdict of the next. The next process is started as soon as one is used:
 * who asks does not wait for Node.js and onnxruntime to load.
 */
export class IsolatedModelChecker {
  private spare: Promise<CheckProcess> | undefined;
  private busy = 0;
  private readonly waiting: (() => void)[] = [];
  private readonly underWay = new Set<CheckProcess>();
  private closed = false;

  /** @param order what of it is the same for all models */
  constructor(
    private readonly limits: CheckLimits,
    private readonly order: Pick<CheckOrder, 'limit' | 'maxOutputBytes'>,
    private readonly entry = builtEntry,
  ) {}

  /** Starts the first process before anybody waits for it. */
  warmUp(): void {
    if (this.closed || this.spare !== undefined) return;
    this.spare = CheckProcess.start(this.entry, this.limits);
    this.spare.catch(() => undefined); // Told to who takes it.
  }

  /** @throws Error where no process could be started: nothing is known of the model then */
  async check(sha256: string, path: string): Promise<Checked | Fault> {
    if (this.busy >= maxAtOnce) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.busy += 1;
    try {
      return await this.checkNow(sha256, path);
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.busy -= 1;
      else next();
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const process_ of this.underWay) process_.end();
    const spare = this.spare;
    this.spare = undefined;
    await spare?.then(
      (process_) => process_.end(),
      () => undefined, // It did not start: nothing to end.
    );
  }

  private async checkNow(sha256: string, path: string): Promise<Checked | Fault> {
    const process_ = await this.take();
    this.underWay.add(process_);
    try {
      const result = await process_.run({ ...this.order, sha256, path }, this.limits);
      return 'stopped' in result
        ? fault('run-failed', `model ${sha256} was not loaded: its check ${result.stopped}`)
        : result;
    } finally {
      this.underWay.delete(process_);
      this.warmUp();
    }
  }

  private async take(): Promise<CheckProcess> {
    if (this.closed) throw new Error('the worker stops');
    const spare = this.spare;
    this.spare = undefined;
    const taken = await spare?.catch(() => undefined); // One that did not start is tried again below, where its error is told.
    return taken === undefined || taken.hasEnded ? CheckProcess.start(this.entry, this.limits) : taken;
  }
}
