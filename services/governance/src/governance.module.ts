import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { KeyObject } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import type { Pool } from 'pg';
import { ServiceModule } from '#libs/boot/service.module.js';
import { RegistryClient } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MessageLog } from '#libs/messaging/message-log.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { type GovernanceMetrics, governanceMetrics } from './governance.metrics.js';
import type { GovernanceSettings } from './governance.settings.js';
import { ApprovalsHandlers } from './inbound/approvals.handlers.js';
import { AuditConsumer } from './inbound/audit.consumer.js';
import { GovernanceGrpc } from './inbound/governance.grpc.js';
import { RolloutsConsumer } from './inbound/rollouts.consumer.js';
import { TraceHandlers } from './inbound/trace.handlers.js';
import { ApprovalsStore } from './outbound/approvals.store.js';
import { AuditStore } from './outbound/audit.store.js';
import { DecisionsPublisher } from './outbound/decisions.publisher.js';
import { PredictionReader } from './outbound/prediction.reader.js';
import { RegistryReader } from './outbound/registry.reader.js';
import { loadSigningKey } from './outbound/signing-key.js';

const Settings = Symbol('GovernanceSettings');

/** Starts and stops the parts in order. */
@Injectable()
class Governance implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private pool: Pool | undefined;
  private audit: AuditConsumer | undefined;
  private rollouts: RolloutsConsumer | undefined;
  private decisions: DecisionsPublisher | undefined;
  private clickhouse: ClickHouseClient | undefined;
  private peer: Peer<RegistryClient> | undefined;

  constructor(
    @Inject(Settings) private readonly settings: GovernanceSettings,
    @Inject(MessageLog) private readonly messages: MessageLog,
    @Inject(GrpcServer) private readonly server: GrpcServer,
    @Inject(Metrics) private readonly registry: Metrics,
    @Inject(Logger) private readonly logger: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const key = loadSigningKey(this.settings.DATA_DIR);
    this.pool = await connectPostgres(this.settings.POSTGRES_URL, 'governance');
    const store = new AuditStore(this.pool, key);
    await store.createTables();
    const metrics = governanceMetrics(this.registry);
    const approvals = await this.approvals(this.pool, store, metrics);
    new GovernanceGrpc(store, key, this.traces(store, approvals, key), approvals).serve(this.server);
    this.audit = new AuditConsumer(this.messages, store, metrics, this.logger);
    await Promise.all([this.audit.start(), this.rollouts?.start()]);
    this.decisions?.start();
  }

  private async approvals(pool: Pool, audit: AuditStore, metrics: GovernanceMetrics): Promise<ApprovalsHandlers> {
    await this.messages.ensureTopics([{ id: 'approvalsDecided' }]);
    const store = new ApprovalsStore(pool, audit);
    const decisions = new DecisionsPublisher(store, this.messages.publisher('approvalsDecided'), this.logger);
    this.decisions = decisions;
    this.rollouts = new RolloutsConsumer(this.messages, store, metrics, this.logger);
    return new ApprovalsHandlers(store, audit, metrics, () => decisions.poke());
  }

  private traces(store: AuditStore, approvals: ApprovalsHandlers, key: KeyObject): TraceHandlers {
    const { CLICKHOUSE_URL, REGISTRY_ADDRESS, MILLRACE_TOKEN } = this.settings;
    this.clickhouse = connectClickHouse(CLICKHOUSE_URL, 'governance');
    this.peer = new Peer(RegistryClient, 'registry', REGISTRY_ADDRESS, MILLRACE_TOKEN);
    return new TraceHandlers(
      new PredictionReader(this.clickhouse),
      new RegistryReader(this.peer),
      approvals,
      store,
      key,
    );
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.audit?.stop(), this.rollouts?.stop(), this.decisions?.stop()]);
  }

  async onApplicationShutdown(): Promise<void> {
    this.peer?.close();
    await this.clickhouse?.close();
    await this.pool?.end();
  }
}

@Module({})
export class GovernanceModule {
  static register(settings: GovernanceSettings): DynamicModule {
    return {
      module: GovernanceModule,
      imports: [ServiceModule.register('governance', settings)],
      providers: [{ provide: Settings, useValue: settings }, Governance],
    };
  }
}
