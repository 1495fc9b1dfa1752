import type { ServerDuplexStream } from '@grpc/grpc-js';
import { type InferBatch, InferResult } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import type { RpcSpan } from '#libs/rpc/rpc-spans.js';
import { TransitClock } from '#libs/rpc/transit-clock.js';
import type { BatchScheduler } from '../domain/batch-scheduler.js';
import type { Explanations } from '../domain/explanations.js';
import type { InferItem } from '../domain/lane.js';
import type { InferOutcome } from '../domain/outcome.js';
import type { WorkerObserver } from '../domain/ports.js';
import { faultErrors } from './fault-errors.js';

/**
 * One gateway's stream. Results leave in the order in which they are ready. A gateway that does not read its results is no longer read from, so that what
 * is kept for it is bounded; when it is gone, what it asked is not run. A half-closed stream gets its results and is then ended.
 */
export class InferStream {
  private open = true;
  private halfClosed = false;
  private unanswered = 0;
  private readonly transit = new TransitClock();

  constructor(
    private readonly stream: ServerDuplexStream<InferBatch, InferResult>,
    private readonly scheduler: BatchScheduler,
    private readonly explanations: Explanations,
    private readonly observer: WorkerObserver,
    private readonly nowMs: () => number,
    private readonly messageSpan?: CallContext['messageSpan'],
  ) {
    stream.on('data', (batch: InferBatch) => this.submit(batch));
    stream.on('end', () => this.halfClose());
    stream.on('drain', () => stream.resume());
    for (const event of ['cancelled', 'close', 'error']) stream.on(event, () => (this.open = false));
  }

  /** Tells the gateway to ask elsewhere, and answers it until it has half-closed; resolves when the stream is over. */
  drain(): Promise<void> {
    if (!this.open) return Promise.resolve();
    this.stream.write(InferResult.create({ errorCode: 'draining', errorMessage: 'this worker is about to stop' }));
    return new Promise((resolve) => {
      for (const event of ['finish', 'cancelled', 'close', 'error']) this.stream.once(event, () => resolve());
    });
  }

  private submit(batch: InferBatch): void {
    this.unanswered += 1;
    const span = this.messageSpan?.(batch.traceparents);
    const nowMs = this.nowMs();
    const waitedMs = this.transit.waitedMs(batch.sentAtMs, nowMs);
    const item: InferItem = {
      rows: batch.tensors.length > 0 ? Math.max(1, batch.rows) : batch.rows,
      features: batch.features,
      input: batch.input,
      ...(batch.tensors.length > 0 ? { tensors: batch.tensors, outputNames: batch.outputNames } : {}),
      expiresAtMs: batch.timeoutMs === 0 ? Infinity : nowMs + batch.timeoutMs - waitedMs,
      isAbandoned: () => !this.open,
      answer: (outcome) => this.answer(batch, outcome, span),
    };
    if (batch.explain) this.explanations.submit(batch, item);
    else this.scheduler.submit(batch.onnxSha256, item);
  }

  private answer(batch: InferBatch, outcome: InferOutcome, span: RpcSpan | undefined): void {
    if (span !== undefined) endSpan(span, batch, outcome);
    this.observer.answered(outcome.ok ? 'ok' : outcome.code, batch.rows);
    this.unanswered -= 1;
    if (!this.open) return;
    if (!this.stream.write(toResult(batch.batchId, outcome))) this.stream.pause();
    this.endWhenDone();
  }

  private halfClose(): void {
    this.halfClosed = true;
    this.endWhenDone();
  }

  private endWhenDone(): void {
    if (this.halfClosed && this.unanswered === 0 && this.open) this.stream.end();
  }
}

function endSpan(span: RpcSpan, batch: InferBatch, outcome: InferOutcome): void {
  span.set('millrace.batch.rows', batch.rows);
  span.set('millrace.model.sha256', batch.onnxSha256.slice(0, 64));
  if (outcome.ok) span.set('millrace.run_us', outcome.runUs);
  span.end(
    outcome.ok ? undefined : new MillraceError(faultErrors[outcome.code], `${outcome.code}: ${outcome.message}`),
  );
}

function toResult(batchId: number, outcome: InferOutcome): InferResult {
  const base = InferResult.create({ batchId });
  if (!outcome.ok) return { ...base, errorCode: outcome.code, errorMessage: outcome.message };
  if (outcome.tensors !== undefined) return { ...base, tensors: [...outcome.tensors], runUs: outcome.runUs };
  const { output, columns, runUs, explanation } = outcome;
  if (explanation === undefined) return { ...base, output, columns, runUs };
  const { contributions, baseValue, by } = explanation;
  const { buffer, byteOffset, byteLength } = contributions;
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  return { ...base, output, columns, runUs, contributions: bytes, baseValue, explainedBy: by };
}
