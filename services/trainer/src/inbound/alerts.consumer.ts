import { Alert } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Chunk, Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { TriggerReason } from '../domain/decide-trigger.js';
import type { FiringAlerts } from '../domain/firing-alerts.js';

const maxRecords = 100;
/** Breaches that a pipeline can ask to be retrained for. */
const reasons = new Map<string, TriggerReason>([
  ['performance', 'performance'],
  ['concept', 'concept'],
  ['drift', 'drift'],
]);

/** Alerts that ask for another training, and their ends. One that comes again is the same occasion; one that cannot be read is logged and passed over. */
export class AlertsConsumer {
  private consumer: Consumer | undefined;

  constructor(
    private readonly log: MessageLog,
    private readonly alerts: FiringAlerts,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    await this.log.ensureTopics([{ id: 'alertsRaised' }]);
    this.consumer = await this.log.consume({
      topic: 'alertsRaised',
      delivery: 'at-least-once',
      maxRecords,
      handler: (chunk) => this.handle(chunk),
    });
  }

  async stop(): Promise<void> {
    await this.consumer?.stop();
  }

  private async handle(chunk: Chunk): Promise<undefined> {
    for (const { partition, offset, value } of chunk.records) {
      let alert: Alert;
      try {
        alert = Alert.decode(value ?? Buffer.alloc(0));
      } catch (error) {
        this.logger.error('alert_unreadable', { partition, offset, error: errorMessage(error) });
        continue;
      }
      await this.take(alert);
      await chunk.alive();
    }
  }

  private async take({ fingerprint, model, breach, state, summary, startsMs, actions }: Alert): Promise<void> {
    // Whatever it asks for by now: the Monitor may have changed since it fired.
    if (state === 'resolved') return this.alerts.isOver(fingerprint, startsMs);
    if (state !== 'firing' || !actions.includes('retrain')) return;
    const reason = reasons.get(breach);
    if (reason === undefined) return this.logger.warn('alert_not_trained_for', { fingerprint, model, breach });
    await this.alerts.fires({ fingerprint, startsMs, model, reason, summary });
  }
}
