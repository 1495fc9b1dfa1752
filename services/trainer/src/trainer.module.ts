import { join } from 'node:path';
import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { Pool } from 'pg';
import { ServiceModule } from '#libs/boot/service.module.js';
import { FeatureStoreClient } from '#libs/contracts/generated/millrace/features/v1/features.js';
import { RegistryClient } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { Kind, Specs } from '#libs/definitions/definition-kinds.js';
import { followDefinitions } from '#libs/messaging/follow-definitions.js';
import { type Consumer, MessageLog } from '#libs/messaging/message-log.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import type { LineageContext } from './domain/lineage-of-run.js';
import type { Trigger } from './domain/ports.js';
import type { Run } from './domain/run.js';
import { DueSchedules } from './domain/due-schedules.js';
import { FiringAlerts } from './domain/firing-alerts.js';
import { RunExecutor } from './domain/run-executor.js';
import { streamsOfModel } from './domain/streams-of-model.js';
import { TriggeredRuns } from './domain/triggered-runs.js';
import { AlertsConsumer } from './inbound/alerts.consumer.js';
import { TrainerGrpc } from './inbound/trainer.grpc.js';
import { TriggerLoop } from './inbound/trigger.loop.js';
import { GrpcMesh } from './outbound/grpc-mesh.js';
import { LineageOutbox } from './outbound/lineage.outbox.js';
import { PostgresAlertStore } from './outbound/postgres-alert.store.js';
import { PostgresRunStore } from './outbound/postgres-run.store.js';
import { PostgresTriggerStore } from './outbound/postgres-trigger.store.js';
import { PythonJobRunner } from './outbound/python-job.runner.js';
import { type TrainerMetrics, trainerMetrics } from './trainer.metrics.js';
import type { TrainerSettings } from './trainer.settings.js';

const Settings = Symbol('TrainerSettings');

/** Starts and stops the parts in order. */
@Injectable()
class Trainer implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly definitions = new Map<string, Specs[Kind]>();
  private readonly registry: Peer<RegistryClient>;
  private readonly features: Peer<FeatureStoreClient>;
  private pool: Pool | undefined;
  private follower: Consumer | undefined;
  private executor: RunExecutor | undefined;
  private lineage: LineageOutbox | undefined;
  private alerts: AlertsConsumer | undefined;
  private triggers: TriggerLoop | undefined;

  constructor(
    @Inject(Settings) private readonly settings: TrainerSettings,
    @Inject(MessageLog) private readonly messages: MessageLog,
    @Inject(GrpcServer) private readonly server: GrpcServer,
    @Inject(Metrics) private readonly metrics: Metrics,
    @Inject(Logger) private readonly logger: Logger,
  ) {
    this.registry = new Peer(RegistryClient, 'registry', settings.REGISTRY_ADDRESS, settings.MILLRACE_TOKEN);
    this.features = new Peer(
      FeatureStoreClient,
      'feature-store',
      settings.FEATURE_STORE_ADDRESS,
      settings.MILLRACE_TOKEN,
    );
  }

  async onApplicationBootstrap(): Promise<void> {
    const { settings } = this;
    this.pool = await connectPostgres(settings.POSTGRES_URL, 'trainer');
    await this.messages.ensureTopics([{ id: 'lineageRecorded' }]); // the trainer may come up before the topic's owner
    const context = ({ plan }: Run): LineageContext => ({
      broker: settings.KAFKA_BROKERS[0]!,
      streams: streamsOfModel(this.definitions, plan.model),
      codeCommit: settings.CODE_COMMIT,
    });
    const publisher = this.messages.publisher('lineageRecorded');
    this.lineage = new LineageOutbox(this.pool, publisher, context, this.logger);
    const store = new PostgresRunStore(this.pool, this.lineage);
    await store.createTables();
    const artifacts = new ArtifactStore(settings.ARTIFACTS_DIR);
    const limits = {
      threads: settings.JOB_THREADS,
      wallSeconds: settings.JOB_WALL_SECONDS,
      rssMb: settings.JOB_MAX_RSS_MB,
    };
    const jobs = new PythonJobRunner(settings.PYTHON, join(settings.DATA_DIR, 'runs'), artifacts, limits);
    const mesh = new GrpcMesh(this.registry, this.features, this.definitions, artifacts, settings.CODE_COMMIT);
    const metrics = trainerMetrics(this.metrics);
    this.executor = new RunExecutor(store, mesh, jobs, metrics, this.logger);
    new TrainerGrpc(store, this.executor, this.definitions).serve(this.server);
    this.follower = await followDefinitions(this.messages, this.logger, ({ kind, name, spec }) => {
      if (spec === undefined) this.definitions.delete(`${kind}/${name}`);
      else this.definitions.set(`${kind}/${name}`, spec);
    });
    this.lineage.start();
    this.executor.start();
    await this.startTriggers(this.executor, this.pool, store, metrics);
  }

  private async startTriggers(
    executor: RunExecutor,
    pool: Pool,
    store: PostgresRunStore,
    metrics: TrainerMetrics,
  ): Promise<void> {
    const onDecided = (trigger: Trigger): void => {
      metrics.triggers.inc({ reason: trigger.reason, decision: trigger.decision });
      this.logger.info('trigger_decided', { ...trigger });
      executor.poke();
    };
    const runs = new TriggeredRuns(store, new PostgresTriggerStore(pool), this.definitions, onDecided, Date.now);
    const firing = new FiringAlerts(new PostgresAlertStore(pool), runs);
    this.alerts = new AlertsConsumer(this.messages, firing, this.logger);
    await this.alerts.start();
    const schedules = new DueSchedules(runs, Date.now);
    this.triggers = new TriggerLoop({ schedules: () => schedules.look(), alerts: () => firing.look() }, this.logger);
    this.triggers.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.alerts?.stop();
    await this.triggers?.stop();
    await this.executor?.stop();
    await this.lineage?.stop();
    await this.follower?.stop();
  }

  async onApplicationShutdown(): Promise<void> {
    this.registry.close();
    this.features.close();
    await this.pool?.end();
  }
}

@Module({})
export class TrainerModule {
  static register(settings: TrainerSettings): DynamicModule {
    return {
      module: TrainerModule,
      imports: [ServiceModule.register('trainer', settings)],
      providers: [{ provide: Settings, useValue: settings }, Trainer],
    };
  }
}
