import { Alert } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Publisher } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { MonitorMetrics } from '../monitor.metrics.js';
import { postAlert } from './alert.webhook.js';
import type { WatchingStore } from './watching.store.js';

/**
 * Tells of each change of an alert once: it is written down before anybody is told, and marked when all have been; what a killed monitor left untold is told again, with the
 * same fingerprint, start and state. The webhook is tried beside the watching, one change after the other, and given up after its tries.
 */
export class AlertsPublisher {
  private readonly firing = new Map<string, Alert>();
  private readonly untold: Alert[] = [];
  private readonly stopping = new AbortController();
  private telling: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: WatchingStore,
    private readonly publisher: Publisher,
    private readonly told: {
      readonly webhookOf: (monitor: string) => string | undefined;
      /** Hears of each change once it is written down. */
      readonly onChange: (alert: Alert) => void;
    },
    private readonly metrics: MonitorMetrics,
    private readonly logger: Logger,
  ) {}

  /** By fingerprint. */
  get alerts(): ReadonlyMap<string, Alert> {
    return this.firing;
  }

  /** Learns what fires, and tells what was left untold. */
  async start(): Promise<void> {
    for (const alert of await this.store.alerts('', true, 100_000)) this.firing.set(alert.fingerprint, alert);
    this.untold.push(...(await this.store.untoldAlerts()));
    await this.tell();
  }

  async change(alert: Alert): Promise<void> {
    await this.store.insertAlert(alert, false);
    if (alert.state === 'firing') this.firing.set(alert.fingerprint, alert);
    else this.firing.delete(alert.fingerprint);
    this.metrics.alerts.inc({ breach: alert.breach, state: alert.state });
    const { monitor, endpoint, breach, state, summary } = alert;
    this.logger.info('alert_changed', { monitor, endpoint, breach, state, summary });
    this.untold.push(alert);
    this.told.onChange(alert);
    await this.tell();
  }

  /** Publishes what is not published yet, in order. Rejects where Kafka does not take it: then it is told by the next call. */
  async tell(): Promise<void> {
    for (let alert = this.untold[0]; alert !== undefined; alert = this.untold[0]) {
      const value = Buffer.from(Alert.encode(alert).finish());
      await this.publisher.publish([{ key: Buffer.from(alert.fingerprint), value, headers: {} }]);
      this.untold.shift();
      const published = alert;
      this.telling = this.telling.then(() => this.post(published));
    }
  }

  /** Ends the tries of webhooks: what they have not had is told after the next start. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.telling;
  }

  private async post(alert: Alert): Promise<void> {
    try {
      const url = alert.actions.includes('alert') ? this.told.webhookOf(alert.monitor) : undefined;
      const problem = url === undefined ? undefined : await postAlert(url, alert, this.stopping.signal);
      if (this.stopping.signal.aborted && problem !== undefined) return;
      if (problem !== undefined) {
        this.metrics.webhookFailures.inc({ monitor: alert.monitor });
        this.logger.error('webhook_failed', { monitor: alert.monitor, breach: alert.breach, error: problem });
      }
      await this.store.insertAlert(alert, true);
    } catch (error) {
      this.logger.error('alert_not_marked', { fingerprint: alert.fingerprint, error: errorMessage(error) });
    }
  }
}
