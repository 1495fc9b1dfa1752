import type { Unmirrored } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import type { Notes, PredictionLog } from './ports.js';

/** Why a candidate was not shown a row that the live version answered. */
export type UnmirroredReason = 'queue-full' | 'features-given' | 'fallback' | 'worker-away' | 'overload' | 'shutdown';

export interface ShadowWays<Shown> {
  /** Whether it can be shown in one batch with the oldest. */
  joins(oldest: Shown, other: Shown): boolean;
  readonly maxBatch: number;
  /** What became of a batch; never throws. */
  show(batch: readonly Shown[]): Promise<Notes>;
  unshown(one: Shown, reason: UnmirroredReason): Unmirrored;
}

/** What waits to be shown to candidates: one batch at a time, begun after the answers of its turn have been given, so that nobody who is answered waits for it. Its bound is its user's. */
export class ShadowQueue<Shown> {
  private waiting: Shown[] = [];
  private running: readonly Shown[] = [];
  private scheduled = false;
  private closed = false;
  private onEmpty: (() => void) | undefined;

  constructor(
    private readonly log: PredictionLog,
    private readonly ways: ShadowWays<Shown>,
  ) {}

  /** Waiting and being shown. */
  get size(): number {
    return this.waiting.length + this.running.length;
  }

  /** Takes nothing any more. */
  get isClosed(): boolean {
    return this.closed;
  }

  /** Nothing is shown before `schedule`. */
  put(one: Shown): void {
    this.waiting.push(one);
  }

  schedule(): void {
    if (this.scheduled || this.running.length > 0 || this.waiting.length === 0) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      void this.showNext();
    });
  }

  /** Shows what waits, for so long; what is left then is noted as unmirrored. Nothing is to be put any more. */
  async stop(graceMs: number): Promise<void> {
    this.closed = true;
    if (this.size > 0)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.onEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    const left = [...this.running, ...this.waiting];
    this.waiting = [];
    this.running = [];
    for (const one of left) this.log.note({ unmirrored: [this.ways.unshown(one, 'shutdown')] });
  }

  private async showNext(): Promise<void> {
    const batch = this.take();
    if (batch.length === 0) return;
    this.running = batch;
    const notes = await this.ways.show(batch);
    // A stop that came first has counted these as unmirrored.
    if (this.running !== batch) return;
    this.log.note(notes);
    this.running = [];
    if (this.waiting.length === 0) this.onEmpty?.();
    this.schedule();
  }

  /** The oldest and what can be one batch with it, in order. */
  private take(): Shown[] {
    const [batch, rest]: [Shown[], Shown[]] = [[], []];
    const oldest = this.waiting[0];
    for (const one of this.waiting) {
      const fits = batch.length < this.ways.maxBatch && (one === oldest || this.ways.joins(oldest!, one));
      (fits ? batch : rest).push(one);
    }
    this.waiting = rest;
    return batch;
  }
}

/** A note that so many rows of an endpoint were not shown. */
export function unmirrored(
  endpoint: string,
  { rolloutId, step }: { readonly rolloutId: string; readonly step: number },
  reason: UnmirroredReason,
  rows: number,
): Unmirrored {
  return { endpoint, rolloutId, rolloutStep: step, reason, rows, atMs: Date.now() };
}
