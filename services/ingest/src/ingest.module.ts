import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { ServiceModule } from '#libs/boot/service.module.js';
import { MessageLog } from '#libs/messaging/message-log.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { StreamPublisher } from './domain/stream-publisher.js';
import { StreamTable } from './domain/stream-table.js';
import { CloudEventsController } from './inbound/cloud-events.controller.js';
import { DefinitionsFollower } from './inbound/definitions.follower.js';
import { EventIntake } from './inbound/event-intake.js';
import { IngestGrpc } from './inbound/ingest.grpc.js';
import { ingestMetrics, type IngestMetrics } from './ingest.metrics.js';
import type { IngestSettings } from './ingest.settings.js';
import { SourceFiles } from './outbound/source-files.js';

const Settings = Symbol('IngestSettings');
const MetricsTable = Symbol('IngestMetrics');

@Injectable()
class Ingest implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly definitions: DefinitionsFollower;

  constructor(
    @Inject(Settings) settings: IngestSettings,
    @Inject(MessageLog) messages: MessageLog,
    @Inject(GrpcServer) server: GrpcServer,
    @Inject(Logger) logger: Logger,
    @Inject(StreamTable) table: StreamTable,
    @Inject(StreamPublisher) publisher: StreamPublisher,
    @Inject(EventIntake) intake: EventIntake,
  ) {
    this.definitions = new DefinitionsFollower(messages, table, logger);
    new IngestGrpc(intake, table, publisher, new SourceFiles(settings.SOURCES_DIR)).serve(server);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.definitions.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.definitions.stop();
  }
}

@Module({})
export class IngestModule {
  static register(settings: IngestSettings): DynamicModule {
    return {
      module: IngestModule,
      imports: [ServiceModule.register('ingest', settings)],
      controllers: [CloudEventsController],
      providers: [
        { provide: Settings, useValue: settings },
        { provide: StreamTable, useValue: new StreamTable() },
        { provide: MetricsTable, inject: [Metrics], useFactory: (metrics: Metrics) => ingestMetrics(metrics) },
        {
          provide: StreamPublisher,
          inject: [MessageLog, MetricsTable],
          useFactory: (messages: MessageLog, metrics: IngestMetrics) => {
            const raw = messages.publisher('rawEvents');
            const send = async (stream: string, records: Parameters<typeof raw.publish>[0]): Promise<void> => {
              metrics.batchRecords.observe(records.length);
              await raw.publish(records, stream);
            };
            return new StreamPublisher(send, settings.MAX_WAITING_BYTES, (bytes) => metrics.waitingBytes.set(bytes));
          },
        },
        {
          provide: EventIntake,
          inject: [StreamTable, StreamPublisher, MetricsTable],
          useFactory: (table: StreamTable, publisher: StreamPublisher, metrics: IngestMetrics) =>
            new EventIntake(table, publisher, metrics),
        },
        Ingest,
      ],
    };
  }
}
