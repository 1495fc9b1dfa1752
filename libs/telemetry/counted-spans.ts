import { TraceFlags } from '@opentelemetry/api';
import type { ReadableSpan, Span, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Logger } from './logger.js';
import type { Metrics } from './metrics.js';

/** What becomes of finished spans, as metrics; and an outage of the collector as two lines of the log, not one a batch. */
export class SpanCounts {
  /** Finished, and not yet handed to the exporter. */
  queued = 0;
  private failing = false;
  private readonly metrics;

  constructor(
    metrics: Metrics,
    private readonly logger: Logger,
    private readonly url: string,
    readonly maxQueued: number,
  ) {
    this.metrics = metrics.create({
      exported: {
        type: 'counter',
        name: 'millrace_tracing_spans_exported_total',
        help: 'Spans that the collector has taken',
      },
      dropped: {
        type: 'counter',
        name: 'millrace_tracing_spans_dropped_total',
        help: 'Spans that it did not get, by reason: queue-full or export-failed',
        labels: ['reason'],
      },
    });
    for (const reason of ['queue-full', 'export-failed']) this.metrics.dropped.inc({ reason }, 0);
  }

  exported(spans: number): void {
    this.metrics.exported.inc(spans);
    if (!this.failing || this.queued > this.maxQueued / 2) return;
    this.logger.info('spans_exported_again', { url: this.url });
    this.failing = false;
  }

  exportFailed(spans: number, error: string): void {
    this.metrics.dropped.inc({ reason: 'export-failed' }, spans);
    this.warnOnce({ reason: 'export-failed', error });
  }

  queueFull(): void {
    this.metrics.dropped.inc({ reason: 'queue-full' });
    this.warnOnce({ reason: 'queue-full', queued: this.queued });
  }

  private warnOnce(fields: Record<string, unknown>): void {
    if (!this.failing) this.logger.warn('spans_dropped', { url: this.url, ...fields });
    this.failing = true;
  }
}

/** Bounds and counts what waits in the processor behind it, which would drop it silently. */
export class CountedSpanProcessor implements SpanProcessor {
  constructor(
    private readonly processor: SpanProcessor,
    private readonly counts: SpanCounts,
  ) {}

  onStart(span: Span, parent: Parameters<SpanProcessor['onStart']>[1]): void {
    this.processor.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return;
    if (this.counts.queued >= this.counts.maxQueued) return this.counts.queueFull();
    this.counts.queued += 1;
    this.processor.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.processor.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.processor.shutdown();
  }
}

export class CountedSpanExporter implements SpanExporter {
  constructor(
    private readonly exporter: SpanExporter,
    private readonly counts: SpanCounts,
  ) {}

  export(spans: ReadableSpan[], done: Parameters<SpanExporter['export']>[1]): void {
    this.counts.queued -= spans.length;
    this.exporter.export(spans, (result) => {
      if (result.code === 0) this.counts.exported(spans.length);
      else this.counts.exportFailed(spans.length, result.error?.message ?? 'the collector did not take them');
      done(result);
    });
  }

  async forceFlush(): Promise<void> {
    await this.exporter.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.exporter.shutdown();
  }
}
