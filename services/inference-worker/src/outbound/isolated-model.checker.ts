import { fileURLToPath } from 'node:url';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Verdict } from '../domain/model-checker.js';
import { fault } from '../domain/outcome.js';
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

  async check(sha256: string, path: string): Promise<Verdict> {
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

  private async checkNow(sha256: string, path: string): Promise<Verdict> {
    try {
      const process_ = await this.take();
      this.underWay.add(process_);
      const result = await process_
        .run({ ...this.order, sha256, path }, this.limits)
        .finally(() => this.underWay.delete(process_));
      if ('stopped' in result)
        return {
          outcome: fault('run-failed', `model ${sha256} was not loaded: its check ${result.stopped}`),
          isFinal: false,
        };
      return { outcome: result, isFinal: true };
    } catch (error) {
      return {
        outcome: fault('run-failed', `model ${sha256} could not be checked: ${errorMessage(error)}`),
        isFinal: false,
      };
    } finally {
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
