import type { ClickHouseClient } from '@clickhouse/client';
import type { Alert } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { MessageLog } from '#libs/messaging/message-log.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { PerformanceHandler } from './inbound/performance.handler.js';
import { WatchTimer } from './inbound/watch.timer.js';
import { WatchedFollower } from './inbound/watched.follower.js';
import { WatchingHandlers } from './inbound/watching.handlers.js';
import type { MonitorMetrics } from './monitor.metrics.js';
import { type MonitorSettings, webhookAddress } from './monitor.settings.js';
import { AlertmanagerFeed } from './outbound/alertmanager.feed.js';
import { AlertsPublisher } from './outbound/alerts.publisher.js';
import { FiguresReader } from './outbound/figures.reader.js';
import type { PredictionLogStore } from './outbound/prediction-log.store.js';
import { ReferenceKeeper } from './outbound/reference.keeper.js';
import { VersionReferences } from './outbound/version-references.js';
import { WatchingStore } from './outbound/watching.store.js';

type Settings = Pick<MonitorSettings, 'ARTIFACTS_DIR' | 'WATCH_INTERVAL_MS'> & {
  readonly ALERTMANAGER_URL?: string | undefined;
};

/** The wiring of what watches: definitions and versions in, alerts out, drift and alerts answered. */
export class Watching {
  readonly handlers: WatchingHandlers;
  readonly performance: PerformanceHandler;
  private readonly store: WatchingStore;
  readonly watched: WatchedFollower;
  private readonly alerts: AlertsPublisher;
  private readonly feed: AlertmanagerFeed | undefined;
  private readonly timer: WatchTimer;
  private readonly webhooks = new Map<string, string>();

  constructor(
    settings: Settings,
    private readonly messages: MessageLog,
    clickhouse: ClickHouseClient,
    predictions: PredictionLogStore,
    metrics: MonitorMetrics,
    private readonly logger: Logger,
  ) {
    this.store = new WatchingStore(clickhouse);
    this.watched = new WatchedFollower(messages, logger);
    const artifacts = new ArtifactStore(settings.ARTIFACTS_DIR);
    const brought = new VersionReferences(artifacts, this.watched.versions, logger);
    const references = new ReferenceKeeper(this.store, artifacts, brought, logger);
    const figures = new FiguresReader(this.store, predictions, references, brought, this.watched);
    const publisher = messages.publisher('alertsRaised');
    this.feed =
      settings.ALERTMANAGER_URL === undefined
        ? undefined
        : new AlertmanagerFeed(settings.ALERTMANAGER_URL, () => this.alerts.alerts, metrics, logger);
    const told = {
      webhookOf: (name: string) => this.webhookOf(name),
      onChange: (alert: Alert) => this.feed?.changed(alert),
    };
    this.alerts = new AlertsPublisher(this.store, publisher, told, metrics, logger);
    this.timer = new WatchTimer(settings.WATCH_INTERVAL_MS, this.watched, references, figures, this.alerts, {
      metrics,
      logger,
    });
    this.handlers = new WatchingHandlers(this.store, figures, this.watched);
    this.performance = new PerformanceHandler(predictions, brought, this.watched);
  }

  async createTables(): Promise<void> {
    await this.store.createTables();
  }

  /** What fires is known, and all definitions are, before the first look. */
  async start(): Promise<void> {
    await this.messages.ensureTopics([{ id: 'alertsRaised' }]);
    await this.watched.start();
    await this.alerts.start();
    this.feed?.start();
    this.timer.start();
  }

  async stop(): Promise<void> {
    await this.timer.stop();
    await this.watched.stop();
    await this.feed?.stop();
    await this.alerts.stop();
  }

  /** Of a Monitor that was deleted, the one it had: who was told that something fires is told that it does not any more. */
  private webhookOf(monitor: string): string | undefined {
    const spec = this.watched.monitors.get(monitor);
    const webhook = spec === undefined ? this.webhooks.get(monitor) : spec.webhook;
    if (webhook === undefined) return undefined;
    this.webhooks.set(monitor, webhook);
    try {
      return webhookAddress(webhook);
    } catch (error) {
      this.logger.error('webhook_unknown', { monitor, error: errorMessage(error) });
      return undefined;
    }
  }
}
