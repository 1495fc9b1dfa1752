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
import { connectPostgres } from '#libs/storage/postgres.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { governanceMetrics } from './governance.metrics.js';
import type { GovernanceSettings } from './governance.settings.js';
import { AuditConsumer } from './inbound/audit.consumer.js';
import { OpenLineageController } from './inbound/openlineage.controller.js';
import { GovernanceGrpc } from './inbound/governance.grpc.js';
import { Lineage } from './lineage.js';
import { LineageSettings } from './lineage.settings.js';
import { AuditStore } from './outbound/audit.store.js';
import { loadSigningKey } from './outbound/signing-key.js';

const Settings = Symbol('GovernanceSettings');

/** Starts and stops the parts in order. */
@Injectable()
class Governance implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private pool: Pool | undefined;
  private audit: AuditConsumer | undefined;

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
    new GovernanceGrpc(store, key).serve(this.server);
    this.audit = new AuditConsumer(this.messages, store, governanceMetrics(this.registry), this.logger);
    await this.audit.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.audit?.stop();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool?.end();
  }
}

@Module({})
export class GovernanceModule {
  static register(settings: GovernanceSettings): DynamicModule {
    const { POSTGRES_URL, OPENLINEAGE_URL, OPENLINEAGE_API_KEY, HTTP_LISTEN } = settings;
    const lineage = new LineageSettings(POSTGRES_URL, OPENLINEAGE_URL, OPENLINEAGE_API_KEY, HTTP_LISTEN);
    return {
      module: GovernanceModule,
      imports: [ServiceModule.register('governance', settings)],
      controllers: [OpenLineageController],
      providers: [
        { provide: Settings, useValue: settings },
        { provide: LineageSettings, useValue: lineage },
        Governance,
        Lineage,
      ],
    };
  }
}
