import type { BatchScheduler } from './batch-scheduler.js';
import {
  type Explainer,
  type ExplanationObserver,
  type ExplanationOutcome,
  type ExplanationQuestion,
  maxExplainedRows,
} from './explanation.js';
import type { InferItem } from './lane.js';
import { fault, type Fault, type InferOutcome, type Scored } from './outcome.js';

/** A batch that asks for contributions too. */
export interface ExplainedBatch {
  readonly onnxSha256: string;
  readonly backgroundSha256: string;
}

interface Waiting {
  readonly batch: ExplainedBatch;
  readonly item: InferItem;
  readonly scored: Scored;
}

/** Where a batch names no time, it has this one. */
const mostMs = 60_000;

/**
 * Batches that are to be explained: scored as all others are, and then, one at a time and in their order, given to the explainer. They wait in a queue of their own, so
 * that no prediction waits for an explanation.
 */
export class Explanations {
  private readonly queue: Waiting[] = [];
  private running = false;
  private rows = 0;

  /** @param maxRows that may wait or be worked on; what comes above is refused as overloaded */
  constructor(
    private readonly scheduler: BatchScheduler,
    private readonly explainer: Explainer,
    private readonly maxRows: number,
    private readonly observer: ExplanationObserver,
    private readonly nowMs: () => number,
  ) {}

  /** Answers the item sooner or later, exactly once, unless it is abandoned. */
  submit(batch: ExplainedBatch, item: InferItem): void {
    const refusal = this.refusalOf(batch, item);
    if (refusal !== undefined) return this.refuse(item, refusal);
    this.change(item.rows);
    const answer = (outcome: InferOutcome): void => {
      if (!outcome.ok) return this.done(item, outcome);
      this.queue.push({ batch, item, scored: outcome });
      void this.runAll();
    };
    let counted = true;
    const isAbandoned = (): boolean => {
      if (!item.isAbandoned()) return false;
      if (counted) this.change(-item.rows); // the scheduler then answers nothing
      counted = false;
      return true;
    };
    this.scheduler.submit(batch.onnxSha256, { ...item, isAbandoned, answer });
  }

  private refusalOf({ backgroundSha256 }: ExplainedBatch, { rows }: InferItem): Fault | undefined {
    if (backgroundSha256 === '')
      return fault('bad-shape', 'background_sha256: empty; explain needs rows to be relative to');
    if (rows > maxExplainedRows)
      return fault('bad-shape', `rows: ${rows}; at most ${maxExplainedRows} of one batch are explained`);
    if (this.rows > 0 && this.rows + rows > this.maxRows)
      return fault('overloaded', `${this.rows} rows already wait to be explained, at most ${this.maxRows} may`);
    return undefined;
  }

  private async runAll(): Promise<void> {
    if (this.running) return;
    this.running = true;
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) await this.run(next);
    this.running = false;
  }

  private async run({ batch, item, scored }: Waiting): Promise<void> {
    if (item.isAbandoned()) return this.change(-item.rows);
    const startedMs = this.nowMs();
    if (startedMs >= item.expiresAtMs)
      return this.done(item, fault('deadline', 'the batch waited to be explained for longer than its timeout_ms'));
    const { rows, features, input } = item;
    const timeoutMs = Math.min(mostMs, item.expiresAtMs - startedMs);
    const { output, columns } = scored;
    const question: ExplanationQuestion = { ...batch, rows, features, input, output, columns, timeoutMs };
    const outcome = await this.explainer.explain(question);
    this.observer.explained(outcome.ok ? outcome.by : outcome.code, rows, (this.nowMs() - startedMs) / 1_000);
    this.done(item, withContributions(scored, outcome));
  }

  private refuse(item: InferItem, refusal: Fault): void {
    this.observer.explained(refusal.code, item.rows, 0);
    item.answer(refusal);
  }

  private done(item: InferItem, outcome: InferOutcome): void {
    this.change(-item.rows);
    item.answer(outcome);
  }

  private change(rows: number): void {
    this.rows += rows;
    this.observer.waiting(this.rows);
  }
}

function withContributions(scored: Scored, outcome: ExplanationOutcome): InferOutcome {
  return outcome.ok ? { ...scored, explanation: outcome } : outcome;
}
