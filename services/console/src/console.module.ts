import { type DynamicModule, Inject, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ServiceModule } from '#libs/boot/service.module.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { type ConsoleMetrics, consoleMetrics } from './console.metrics.js';
import type { ConsoleSettings } from './console.settings.js';
import { ConsoleMetricsToken } from './console.tokens.js';
import { LiveHub } from './domain/live-hub.js';
import { MeshPicture } from './domain/mesh-picture.js';
import { TopicReader } from './domain/ports.js';
import { Sessions } from './domain/sessions.js';
import { pageApis } from './inbound/apis.js';
import { ConsoleDoor } from './inbound/console.door.js';
import { LiveApi } from './inbound/live.api.js';
import { PageFiles, PageHttp } from './inbound/page.http.js';
import { SessionApi } from './inbound/session.api.js';
import { MeshBulletin } from './outbound/bulletin.client.js';
import { HttpServiceProbe } from './outbound/http-service.probe.js';
import { KafkaTopicReader } from './outbound/kafka-topic.reader.js';
import { MeshPeers } from './outbound/mesh-peers.client.js';
import { readPageFiles } from './outbound/page-files.js';

/** Closes what asks others, after the last question. */
@Injectable()
class Connections implements OnApplicationShutdown {
  constructor(
    @Inject(MeshPeers) private readonly peers: MeshPeers,
    @Inject(TopicReader) private readonly topics: KafkaTopicReader,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.peers.close();
    await this.topics.close();
  }
}

@Module({})
export class ConsoleModule {
  static register(settings: ConsoleSettings, sessions: Sessions): DynamicModule {
    return {
      module: ConsoleModule,
      imports: [ServiceModule.register('console', settings)],
      controllers: [SessionApi, LiveApi, ...pageApis, PageHttp],
      providers: [
        Connections,
        { provide: Sessions, useValue: sessions },
        { provide: ConsoleDoor, useValue: new ConsoleDoor(sessions) },
        { provide: PageFiles, useFactory: readPageFiles },
        { provide: ConsoleMetricsToken, useFactory: consoleMetrics, inject: [Metrics] },
        { provide: MeshPeers, useFactory: () => new MeshPeers(settings) },
        { provide: TopicReader, useFactory: () => new KafkaTopicReader(settings.KAFKA_BROKERS) },
        {
          provide: LiveHub,
          inject: [TopicReader, MeshPeers, ConsoleMetricsToken],
          useFactory: (topics: TopicReader, peers: MeshPeers, metrics: ConsoleMetrics) =>
            new LiveHub(
              new MeshPicture(topics, new HttpServiceProbe(settings)),
              new MeshBulletin(peers.asConsole()),
              (seconds) => metrics.frameSeconds.observe(seconds),
            ),
        },
      ],
    };
  }
}
