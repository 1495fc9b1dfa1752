import type { MonitorSpec } from '#libs/definitions/definition-kinds.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { Rest } from '#libs/rest/rest.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { abandonedAlerts, alertChanges } from '../domain/alert-changes.js';
import { watchEndpoint } from '../domain/watch-endpoint.js';
import type { MonitorMetrics } from '../monitor.metrics.js';
import type { AlertsPublisher } from '../outbound/alerts.publisher.js';
import type { FiguresReader } from '../outbound/figures.reader.js';
import type { ReferenceKeeper } from '../outbound/reference.keeper.js';
import type { WatchedFollower } from './watched.follower.js';

/** Looks at every Monitor again and again. What fails for one is logged and tried in the next round, and does not keep the others from being looked after. */
export class WatchTimer {
  private stopped = false;
  private running: Promise<void> = Promise.resolve();
  private readonly rest = new Rest();

  constructor(
    private readonly intervalMs: number,
    private readonly watched: WatchedFollower,
    private readonly references: ReferenceKeeper,
    private readonly figures: FiguresReader,
    private readonly alerts: AlertsPublisher,
    private readonly telemetry: { readonly metrics: MonitorMetrics; readonly logger: Logger },
  ) {}

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.rest.end();
    await this.running;
  }

  /** One round; never throws. */
  async look(): Promise<void> {
    const stopTimer = this.telemetry.metrics.watchSeconds.startTimer();
    await this.guarded('', () => this.alerts.tell());
    await this.references.makeMissing(this.watched.versions.values());
    for (const spec of this.watched.monitors.values()) await this.guarded(spec.name, () => this.lookAt(spec));
    const abandoned = abandonedAlerts(this.watched.monitors, this.alerts.alerts.values(), Date.now());
    for (const alert of abandoned) await this.guarded(alert.monitor, () => this.alerts.change(alert));
    stopTimer();
  }

  private async lookAt(spec: MonitorSpec): Promise<void> {
    const figures = await this.figures.readNew(spec);
    if (figures === undefined) return;
    const findings = watchEndpoint(spec, figures);
    const changes = alertChanges(spec, figures, findings, this.alerts.alerts, Date.now());
    for (const change of changes) await this.alerts.change(change);
    this.figures.seen(spec);
  }

  private async guarded(monitor: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.telemetry.metrics.watchFailures.inc({ monitor });
      this.telemetry.logger.warn('watch_failed', { monitor, error: errorMessage(error) });
    }
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      await this.look();
      await this.rest.take(this.intervalMs);
    }
  }
}
