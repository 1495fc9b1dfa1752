import type { ClickHouseClient } from '@clickhouse/client';
import type { MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { FeatureNamesFollower } from './inbound/feature-names.follower.js';
import { LogCatalogueTimer } from './inbound/log-catalogue.timer.js';
import { RetentionFollower } from './inbound/retention.follower.js';
import type { WatchedFollower } from './inbound/watched.follower.js';
import type { MonitorSettings } from './monitor.settings.js';
import { LogCatalogueStore } from './outbound/log-catalogue.store.js';
import { RetentionStore } from './outbound/retention.store.js';

/** The wiring of what makes the log one that people can ask, for as long as they may: names of features, tasks of models, retention. */
export class Keeping {
  readonly featureNames: FeatureNamesFollower;
  private readonly catalogue: LogCatalogueTimer;
  private readonly retention: RetentionFollower;

  constructor(
    settings: Pick<MonitorSettings, 'WATCH_INTERVAL_MS'>,
    messages: MessageLog,
    clickhouse: ClickHouseClient,
    watched: WatchedFollower,
    logger: Logger,
  ) {
    this.featureNames = new FeatureNamesFollower(messages, logger);
    const catalogue = new LogCatalogueStore(clickhouse);
    this.catalogue = new LogCatalogueTimer(settings.WATCH_INTERVAL_MS, watched, this.featureNames, catalogue, logger);
    this.retention = new RetentionFollower(messages, new RetentionStore(clickhouse), logger);
  }

  async start(): Promise<void> {
    await this.featureNames.start();
    this.catalogue.start();
    await this.retention.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.featureNames, this.catalogue, this.retention].map((part) => part.stop()));
  }
}
