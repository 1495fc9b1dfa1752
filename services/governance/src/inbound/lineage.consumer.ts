import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Chunk, Consumer, LogRecord, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { checkLineageEvent } from '../domain/lineage-event.js';
import type { LineageMetrics } from '../lineage.metrics.js';
import type { LineageStore, ReceivedEvent } from '../outbound/lineage.store.js';

const maxRecords = 100;

/** Lineage events into Postgres, each once, with the graph that follows from them. */
export class LineageConsumer {
  private consumer: Consumer | undefined;

  constructor(
    private readonly log: MessageLog,
    private readonly store: LineageStore,
    private readonly metrics: LineageMetrics,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    this.consumer = await this.log.consume({
      topic: 'lineageRecorded',
      groupSuffix: 'lineage',
      delivery: 'at-least-once',
      maxRecords,
      handler: (chunk) => this.handle(chunk),
    });
  }

  async stop(): Promise<void> {
    await this.consumer?.stop();
  }

  private async handle({ records }: Chunk): Promise<undefined> {
    const received = records.flatMap((record) => this.read(record));
    const added = await this.store.record(received);
    this.metrics.recorded.inc(added);
    this.metrics.repeated.inc(received.length - added);
  }

  /** What is no event was not let in by the door: it is logged, and passed over for ever. */
  private read({ partition, offset, value }: LogRecord): ReceivedEvent[] {
    const text = (value ?? Buffer.alloc(0)).toString();
    try {
      return [{ event: checkLineageEvent(JSON.parse(text)), text }];
    } catch (error) {
      this.metrics.refused.inc();
      this.logger.error('lineage_event_unreadable', { partition, offset, error: errorMessage(error) });
      return [];
    }
  }
}
