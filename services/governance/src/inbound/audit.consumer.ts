import { AuditEvent } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Chunk, Consumer, LogRecord, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { unreadableEvent } from '../domain/audit-leaf.js';
import type { GovernanceMetrics } from '../governance.metrics.js';
import type { AuditStore } from '../outbound/audit.store.js';

const maxRecords = 1_000;

/** Audit events into the log, each once: an event id that is there already is passed over, in the transaction that adds the others. */
export class AuditConsumer {
  private consumer: Consumer | undefined;

  constructor(
    private readonly log: MessageLog,
    private readonly store: AuditStore,
    private readonly metrics: GovernanceMetrics,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    await this.log.ensureTopics([{ id: 'auditRecorded' }]);
    this.consumer = await this.log.consume({
      topic: 'auditRecorded',
      delivery: 'at-least-once',
      maxRecords,
      handler: (chunk) => this.handle(chunk),
    });
  }

  async stop(): Promise<void> {
    await this.consumer?.stop();
  }

  private async handle({ records }: Chunk): Promise<undefined> {
    const events = records.map((record) => this.read(record));
    const stopTimer = this.metrics.appendSeconds.startTimer();
    const added = await this.store.append(events);
    stopTimer();
    this.metrics.entries.inc(added);
    this.metrics.repeated.inc(events.length - added);
  }

  private read(record: LogRecord): AuditEvent {
    try {
      const event = AuditEvent.decode(record.value ?? Buffer.alloc(0));
      if (event.eventId === '' || event.eventId.includes('\0'))
        throw new Error(`event_id "${event.eventId}" has to be text, and not empty`);
      return event;
    } catch (error) {
      const { partition, offset, timestampMs } = record;
      this.metrics.unreadable.inc();
      this.logger.error('audit_event_unreadable', { partition, offset, error: errorMessage(error) });
      return unreadableEvent(partition, offset, timestampMs, errorMessage(error));
    }
  }
}
