import { traceHeaders } from '#libs/telemetry/trace-context.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Publisher } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { Readiness } from '#libs/telemetry/readiness.js';
import type { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import type { InferenceGatewayMetrics } from '../inference-gateway.metrics.js';
import type { BlockTraces } from './block-traces.js';
import { batchBytes, shipEntries } from './ship-entries.js';

/** What comes within it travels together: a record costs Kafka more than its bytes. */
const lingerMs = 20;

/** Carries the write-ahead log to Kafka, in order. */
export class PredictionShipper {
  private running: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly wal: WriteAheadLog,
    private readonly publisher: Publisher,
    private readonly maxBytes: number,
    private readonly metrics: InferenceGatewayMetrics,
    private readonly readiness: Readiness,
    private readonly logger: Logger,
    private readonly traces?: BlockTraces,
  ) {}

  start(): void {
    this.running = this.run();
  }

  /** Ships what is there, if Kafka takes it, and ends. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async run(): Promise<void> {
    for (;;) {
      const entries = await this.wal.readAfter(this.wal.shippedSequence, batchBytes);
      if (entries.length === 0 && this.stopped) return;
      if (entries.length === 0) {
        await this.pause();
        continue;
      }
      try {
        await shipEntries(this.wal, this.publisher, entries, (sequence) => this.headersOf(sequence));
        this.traces?.forget(entries.at(-1)!.sequence);
        this.metrics.shippedBlocks.inc(entries.length);
      } catch (error) {
        this.logger.warn('predictions_not_shipped', { error: errorMessage(error), bytes: this.wal.bytes });
        if (this.stopped) return; // they stay in the log, and are shipped at the next start
      }
      this.report();
      if (!this.stopped) await this.pause();
    }
  }

  private headersOf(sequence: number): Record<string, string> {
    const trace = this.traces?.find(sequence);
    return trace === undefined ? {} : traceHeaders(trace);
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, lingerMs));
  }

  private report(): void {
    const { bytes } = this.wal;
    this.metrics.logBytes.set(bytes);
    this.readiness.set(
      'prediction-log',
      bytes > this.maxBytes * 0.9 ? `${bytes} of ${this.maxBytes} bytes are waiting for Kafka` : undefined,
    );
  }
}
