import { headerNames } from '#libs/contracts/event-record.js';
import { QuarantinedEvent } from '#libs/contracts/generated/millrace/validator/v1/validator.js';
import type { Chunk, Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { QuarantineStore } from '../outbound/quarantine.store.js';
import type { ValidatorMetrics } from '../validator.metrics.js';

const maxRecords = 5_000;
const lingerMs = 500;

/** Quarantined events into ClickHouse, for people to look at and to replay. */
export class QuarantineConsumer {
  private readonly consumers = new Map<string, Consumer>();

  constructor(
    private readonly log: MessageLog,
    private readonly store: QuarantineStore,
    private readonly metrics: ValidatorMetrics,
  ) {}

  /** After the stream's topics exist. */
  async follow(stream: string): Promise<void> {
    if (this.consumers.has(stream)) return;
    const options = {
      topic: 'quarantinedEvents',
      stream,
      groupSuffix: 'quarantine',
      delivery: 'exact',
      maxRecords,
      lingerMs,
    } as const;
    this.consumers.set(stream, await this.log.consume({ ...options, handler: (chunk) => this.handle(stream, chunk) }));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.consumers.values()].map((consumer) => consumer.stop()));
  }

  private async handle(stream: string, chunk: Chunk): Promise<undefined> {
    const events = chunk.records.map(({ value, headers }) => ({
      event: QuarantinedEvent.decode(value ?? Buffer.alloc(0)),
      source: headers[headerNames.source] ?? '',
    }));
    await this.store.insert(events, chunk.token);
    this.metrics.quarantinedRows.inc({ stream }, events.length);
    return undefined;
  }
}
