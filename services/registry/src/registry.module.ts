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
import { MessageLog } from '#libs/messaging/message-log.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { ApprovalsConsumer } from './inbound/approvals.consumer.js';
import { DefinitionsHandlers } from './inbound/definitions.handlers.js';
import { JudgementsConsumer } from './inbound/judgements.consumer.js';
import { ModelsHandlers } from './inbound/models.handlers.js';
import { serveRegistry } from './inbound/registry.grpc.js';
import { RolloutsHandlers } from './inbound/rollouts.handlers.js';
import { OutboxPublisher } from './outbound/outbox.publisher.js';
import { RegistryDatabase } from './outbound/registry-database.js';
import { registryMetrics } from './registry.metrics.js';
import type { RegistrySettings } from './registry.settings.js';

const Settings = Symbol('RegistrySettings');
const published = ['definitionsChanged', 'modelsChanged', 'routesChanged', 'rolloutsChanged', 'auditRecorded'] as const;

/** Starts and stops the parts in order. */
@Injectable()
class Registry implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private pool: Pool | undefined;
  private outbox: OutboxPublisher | undefined;
  private judgements: JudgementsConsumer | undefined;
  private approvals: ApprovalsConsumer | undefined;

  constructor(
    @Inject(Settings) private readonly settings: RegistrySettings,
    @Inject(MessageLog) private readonly messages: MessageLog,
    @Inject(GrpcServer) private readonly server: GrpcServer,
    @Inject(Metrics) private readonly registry: Metrics,
    @Inject(Logger) private readonly logger: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const metrics = registryMetrics(this.registry);
    this.pool = await connectPostgres(this.settings.POSTGRES_URL, 'registry');
    const database = new RegistryDatabase(this.pool);
    await database.createTables();
    await this.messages.ensureTopics(published.map((id) => ({ id })));
    const publishers = Object.fromEntries(published.map((id) => [id, this.messages.publisher(id)]));
    const outbox = new OutboxPublisher(this.pool, publishers, metrics, this.logger);
    this.outbox = outbox;
    const artifacts = new ArtifactStore(this.settings.ARTIFACTS_DIR);
    const onChange = (): void => outbox.poke();
    const rollouts = new RolloutsHandlers(database, metrics, onChange);
    this.judgements = new JudgementsConsumer(this.messages, rollouts, metrics, this.logger);
    this.approvals = new ApprovalsConsumer(this.messages, rollouts, metrics, this.logger);
    serveRegistry(
      this.server,
      new DefinitionsHandlers(database, metrics, onChange),
      new ModelsHandlers(database, artifacts, onChange),
      rollouts,
      artifacts,
      metrics,
    );
    outbox.start();
    await Promise.all([this.judgements.start(), this.approvals.start()]);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.judgements?.stop(), this.approvals?.stop()]);
    await this.outbox?.stop();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool?.end();
  }
}

@Module({})
export class RegistryModule {
  static register(settings: RegistrySettings): DynamicModule {
    return {
      module: RegistryModule,
      imports: [ServiceModule.register('registry', settings)],
      providers: [{ provide: Settings, useValue: settings }, Registry],
    };
  }
}
