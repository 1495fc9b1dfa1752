import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { ClickHouseClient } from '@clickhouse/client';
import type { Redis } from 'ioredis';
import { ServiceModule } from '#libs/boot/service.module.js';
import { RegistryClient } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MessageLog } from '#libs/messaging/message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { connectRedis } from '#libs/storage/redis.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { Catalog } from './domain/catalog.js';
import { EntityCache } from './domain/entity-cache.js';
import { featureStoreMetrics } from './feature-store.metrics.js';
import type { FeatureStoreSettings } from './feature-store.settings.js';
import { DefinitionsFollower } from './inbound/definitions.follower.js';
import { FeatureStoreGrpc } from './inbound/feature-store.grpc.js';
import { HistoryConsumer } from './inbound/history.consumer.js';
import { ValidEventsConsumer } from './inbound/valid-events.consumer.js';
import { ClickHouseHistoryStore } from './outbound/clickhouse-history.store.js';
import { DatasetBuilder } from './outbound/dataset.builder.js';
import { RedisOnlineStore } from './outbound/redis-online.store.js';
import { VectorVerifier } from './outbound/vector.verifier.js';

const Settings = Symbol('FeatureStoreSettings');

/** Starts and stops the parts in order. */
@Injectable()
class FeatureStore implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly redis: Redis;
  private readonly clickhouse: ClickHouseClient;
  private readonly registry: Peer<RegistryClient>;
  private readonly online: ValidEventsConsumer;
  private readonly history: HistoryConsumer;
  private readonly definitions: DefinitionsFollower;

  constructor(
    @Inject(Settings) settings: FeatureStoreSettings,
    @Inject(MessageLog) messages: MessageLog,
    @Inject(GrpcServer) server: GrpcServer,
    @Inject(Metrics) registry: Metrics,
    @Inject(Readiness) readiness: Readiness,
    @Inject(Logger) logger: Logger,
    @Inject(Wiring) wiring: Wiring,
  ) {
    wiring.addConsumer('validEvents');
    const metrics = featureStoreMetrics(registry);
    this.redis = connectRedis(settings.REDIS_URL, logger);
    this.clickhouse = connectClickHouse(settings.CLICKHOUSE_URL, 'feature-store');
    this.registry = new Peer(RegistryClient, 'registry', settings.REGISTRY_ADDRESS, settings.MILLRACE_TOKEN);
    const catalog = new Catalog();
    const store = new RedisOnlineStore(this.redis);
    const history = new ClickHouseHistoryStore(this.clickhouse);
    this.online = new ValidEventsConsumer(messages, store, catalog, metrics, logger);
    this.history = new HistoryConsumer(messages, history, metrics);
    this.definitions = new DefinitionsFollower(messages, catalog, this.online, this.history, readiness, logger);
    const datasets = new DatasetBuilder(history, this.history, this.registry);
    const verifier = new VectorVerifier(history, this.history);
    const grpc = new FeatureStoreGrpc(
      catalog,
      store,
      new EntityCache(settings.MAX_CACHED_ENTITIES),
      datasets,
      verifier,
      metrics,
    );
    grpc.serve(server);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.redis.connect().catch(() => undefined); // it goes on trying by itself, and every use says that it is away
    await this.definitions.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.definitions.stop();
    await Promise.all([this.online.stop(), this.history.stop()]);
  }

  /** After the server has answered its last call. */
  async onApplicationShutdown(): Promise<void> {
    this.redis.disconnect();
    this.registry.close();
    await this.clickhouse.close();
  }
}

@Module({})
export class FeatureStoreModule {
  static register(settings: FeatureStoreSettings): DynamicModule {
    return {
      module: FeatureStoreModule,
      imports: [ServiceModule.register('feature-store', settings)],
      providers: [{ provide: Settings, useValue: settings }, FeatureStore],
    };
  }
}
