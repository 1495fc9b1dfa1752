import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { ClickHouseClient } from '@clickhouse/client';
import { ServiceModule } from '#libs/boot/service.module.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { MessageLog } from '#libs/messaging/message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { JudgeLoop } from './inbound/judge.loop.js';
import { LabelsConsumer } from './inbound/labels.consumer.js';
import { MonitorGrpc } from './inbound/monitor.grpc.js';
import { PredictionLogHandlers } from './inbound/prediction-log.handlers.js';
import { PredictionsConsumer } from './inbound/predictions.consumer.js';
import { RolloutsFollower } from './inbound/rollouts.follower.js';
import { Keeping } from './keeping.js';
import { monitorMetrics } from './monitor.metrics.js';
import type { MonitorSettings } from './monitor.settings.js';
import { PredictionLogStore } from './outbound/prediction-log.store.js';
import { PredictionsReader } from './outbound/predictions.reader.js';
import { RolloutEvidenceStore } from './outbound/rollout-evidence.store.js';
import { Watching } from './watching.js';

const Settings = Symbol('MonitorSettings');

@Injectable()
class Monitor implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly clickhouse: ClickHouseClient;
  private readonly store: PredictionLogStore;
  private readonly predictions: PredictionsConsumer;
  private readonly labels: LabelsConsumer;
  private readonly rollouts: RolloutsFollower;
  private readonly judge: JudgeLoop;
  private readonly watch: Watching;
  private readonly keeping: Keeping;

  constructor(
    @Inject(Settings) settings: MonitorSettings,
    @Inject(MessageLog) messages: MessageLog,
    @Inject(GrpcServer) server: GrpcServer,
    @Inject(Metrics) registry: Metrics,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(Logger) private readonly logger: Logger,
    @Inject(Wiring) wiring: Wiring,
  ) {
    wiring.addConsumer('validEvents');
    const metrics = monitorMetrics(registry);
    this.clickhouse = connectClickHouse(settings.CLICKHOUSE_URL, 'monitor');
    this.store = new PredictionLogStore(this.clickhouse);
    this.predictions = new PredictionsConsumer(messages, this.store, metrics, logger);
    this.labels = new LabelsConsumer(messages, this.store, metrics, logger);
    const evidence = new RolloutEvidenceStore(this.clickhouse);
    this.rollouts = new RolloutsFollower(messages, logger);
    this.judge = new JudgeLoop(messages, this.rollouts, evidence, metrics, logger, settings.JUDGE_INTERVAL_MS);
    this.watch = new Watching(settings, messages, this.clickhouse, this.store, metrics, logger);
    this.keeping = new Keeping(settings, messages, this.clickhouse, this.watch.watched, logger);
    const reader = new PredictionsReader(this.clickhouse);
    const predictions = new PredictionLogHandlers(reader, this.watch.watched.versions, this.keeping.featureNames);
    new MonitorGrpc(evidence).serve(server, this.watch.handlers, this.watch.performance, predictions);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.createTables();
    await this.predictions.start();
    await this.labels.start();
    await this.rollouts.start();
    await this.judge.start();
    await this.watch.start();
    await this.keeping.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    const parts = [this.predictions, this.labels, this.rollouts, this.judge, this.watch, this.keeping];
    await Promise.all(parts.map((part) => part.stop()));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.clickhouse.close();
  }

  /** ClickHouse may be away at the start: waits for it, and says so. */
  private async createTables(): Promise<void> {
    for (let delayMs = 100; ; delayMs = Math.min(2_000, delayMs * 2)) {
      try {
        await this.store.createTables();
        await this.watch.createTables();
        return this.readiness.set('clickhouse', undefined);
      } catch (error) {
        this.readiness.set('clickhouse', errorMessage(error));
        this.logger.warn('clickhouse_away', { error: errorMessage(error) });
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    }
  }
}

@Module({})
export class MonitorModule {
  static register(settings: MonitorSettings): DynamicModule {
    return {
      module: MonitorModule,
      imports: [ServiceModule.register('monitor', settings)],
      providers: [{ provide: Settings, useValue: settings }, Monitor],
    };
  }
}
