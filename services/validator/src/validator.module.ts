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
import { MessageLog } from '#libs/messaging/message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { DefinitionsFollower } from './inbound/definitions.follower.js';
import { QuarantineConsumer } from './inbound/quarantine.consumer.js';
import { RawEventsConsumer } from './inbound/raw-events.consumer.js';
import { ValidatorGrpc } from './inbound/validator.grpc.js';
import { QuarantineStore } from './outbound/quarantine.store.js';
import { validatorMetrics } from './validator.metrics.js';
import type { ValidatorSettings } from './validator.settings.js';

const Settings = Symbol('ValidatorSettings');

@Injectable()
class Validator implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly clickhouse: ClickHouseClient;
  private readonly raw: RawEventsConsumer;
  private readonly quarantine: QuarantineConsumer;
  private readonly definitions: DefinitionsFollower;

  constructor(
    @Inject(Settings) settings: ValidatorSettings,
    @Inject(MessageLog) messages: MessageLog,
    @Inject(GrpcServer) server: GrpcServer,
    @Inject(Metrics) registry: Metrics,
    @Inject(Logger) logger: Logger,
    @Inject(Wiring) wiring: Wiring,
  ) {
    wiring.addConsumer('rawEvents');
    wiring.addConsumer('quarantinedEvents');
    const metrics = validatorMetrics(registry);
    this.clickhouse = connectClickHouse(settings.CLICKHOUSE_URL, 'validator');
    const store = new QuarantineStore(this.clickhouse);
    this.raw = new RawEventsConsumer(messages, metrics);
    this.quarantine = new QuarantineConsumer(messages, store, metrics);
    this.definitions = new DefinitionsFollower(messages, this.raw, this.quarantine, logger);
    new ValidatorGrpc(store, messages.publisher('rawEvents')).serve(server);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.definitions.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.definitions.stop();
    await Promise.all([this.raw.stop(), this.quarantine.stop()]);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.clickhouse.close();
  }
}

@Module({})
export class ValidatorModule {
  static register(settings: ValidatorSettings): DynamicModule {
    return {
      module: ValidatorModule,
      imports: [ServiceModule.register('validator', settings)],
      providers: [{ provide: Settings, useValue: settings }, Validator],
    };
  }
}
