import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { Pool } from 'pg';
import { MessageLog } from '#libs/messaging/message-log.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { LineageConsumer } from './inbound/lineage.consumer.js';
import { type LineageMetrics, lineageMetrics } from './lineage.metrics.js';
import { LineageSettings } from './lineage.settings.js';
import { LineageForwarder } from './outbound/lineage.forwarder.js';
import { LineagePublisher } from './outbound/lineage.publisher.js';
import { LineageReader } from './outbound/lineage-reader.store.js';
import { LineageStore } from './outbound/lineage.store.js';

/** Starts and stops the parts of lineage in order; there before HTTP answers. */
@Injectable()
export class Lineage implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  readonly metrics: LineageMetrics;
  readonly publisher: LineagePublisher;
  private pool: Pool | undefined;
  private found: LineageReader | undefined;
  private consumer: LineageConsumer | undefined;
  private forwarder: LineageForwarder | undefined;

  constructor(
    @Inject(LineageSettings) private readonly settings: LineageSettings,
    @Inject(MessageLog) private readonly messages: MessageLog,
    @Inject(Metrics) metrics: Metrics,
    @Inject(Logger) private readonly logger: Logger,
  ) {
    this.metrics = lineageMetrics(metrics);
    this.publisher = new LineagePublisher(messages.publisher('lineageRecorded'));
  }

  get reader(): LineageReader {
    if (this.found === undefined) throw new Error('lineage is asked for before it was started');
    return this.found;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { postgresUrl, forwardUrl, forwardKey } = this.settings;
    this.pool = await connectPostgres(postgresUrl, 'governance');
    const store = new LineageStore(this.pool);
    await store.createTables();
    this.found = new LineageReader(this.pool);
    await this.messages.ensureTopics([{ id: 'lineageRecorded' }]);
    this.consumer = new LineageConsumer(this.messages, store, this.metrics, this.logger);
    await this.consumer.start();
    if (forwardUrl === '') return;
    if (this.settings.forwardsToItself)
      return this.logger.warn('lineage_not_sent_on', { to: forwardUrl, reason: 'it is this service' });
    this.forwarder = new LineageForwarder(this.messages, forwardUrl, forwardKey, this.metrics, this.logger);
    await this.forwarder.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.forwarder?.stop();
    await this.consumer?.stop();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool?.end();
  }
}
