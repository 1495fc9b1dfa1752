import type { Alert } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { MonitorMetrics } from '../monitor.metrics.js';
import { alertTexts } from './alert.webhook.js';

/** As Prometheus does with its own alerts: told again each minute, and said to end four minutes after that unless it is told again; what is over is told for a quarter of an hour. */
const againMs = 60_000;
const endsAfterMs = 5 * againMs;
const resolvedForMs = 15 * 60_000;
const timeoutMs = 10_000;

/**
 * Tells an Alertmanager what fires and what is over (POST /api/v2/alerts), at each change and again each minute: one that was away, or has forgotten, learns it all the same.
 * What is told names the breach by its labels, so telling it twice is the same alert. Only alerts with the action `alert` are told.
 */
export class AlertmanagerFeed {
  private readonly resolved = new Map<string, Alert>();
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private telling: Promise<void> = Promise.resolve();

  /** @param url of the Alertmanager, without path @param firing by fingerprint, as it is now */
  constructor(
    private readonly url: string,
    private readonly firing: () => ReadonlyMap<string, Alert>,
    private readonly metrics: MonitorMetrics,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.timer = setInterval(() => this.tell(), againMs);
    this.tell();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.stopping.abort();
    await this.telling;
  }

  changed(alert: Alert): void {
    if (alert.state === 'resolved') this.resolved.set(alert.fingerprint, alert);
    else this.resolved.delete(alert.fingerprint);
    this.tell();
  }

  /** Never throws; what Alertmanager did not take is told again within a minute. */
  tell(): void {
    this.telling = this.telling.then(() => this.post(Date.now()));
  }

  /** Until what was to be told has been, or has failed. */
  async settled(): Promise<void> {
    await this.telling;
  }

  private async post(nowMs: number): Promise<void> {
    for (const [fingerprint, { endsMs }] of this.resolved)
      if (endsMs + resolvedForMs < nowMs) this.resolved.delete(fingerprint);
    const alerts = [...this.firing().values(), ...this.resolved.values()].filter(({ actions }) =>
      actions.includes('alert'),
    );
    if (alerts.length === 0 || this.stopping.signal.aborted) return;
    try {
      const response = await fetch(`${this.url.replace(/\/+$/, '')}/api/v2/alerts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': 'Millrace' },
        body: JSON.stringify(alerts.map((alert) => postable(alert, nowMs))),
        signal: AbortSignal.any([this.stopping.signal, AbortSignal.timeout(timeoutMs)]),
      });
      if (!response.ok) throw new Error(`status ${response.status}: ${(await response.text()).slice(0, 500)}`);
      await response.body?.cancel();
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.metrics.alertmanagerFailures.inc();
      this.logger.warn('alertmanager_failed', { error: errorMessage(error) });
    }
  }
}

/** One element of POST /api/v2/alerts. Alertmanager takes alerts of the same labels for the same, so version and numbers are annotations. */
function postable(alert: Alert, nowMs: number): Record<string, unknown> {
  const { labels, annotations } = alertTexts(alert);
  const { version, ...identity } = labels;
  return {
    labels: identity,
    annotations: { ...annotations, version },
    startsAt: new Date(alert.startsMs).toISOString(),
    endsAt: new Date(alert.state === 'firing' ? nowMs + endsAfterMs : alert.endsMs).toISOString(),
  };
}
