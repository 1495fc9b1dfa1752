import {
  type DynamicModule,
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { join } from 'node:path';
import { ServiceModule } from '#libs/boot/service.module.js';
import { MessageLog } from '#libs/messaging/message-log.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import { Predictor } from './domain/predictor.js';
import { serveOpenInference } from './inbound/open-inference.grpc.js';
import { RouteTable } from './inbound/route-table.follower.js';
import { inferenceGatewayMetrics } from './inference-gateway.metrics.js';
import type { InferenceGatewaySettings } from './inference-gateway.settings.js';
import { FeatureStoreClient } from './outbound/feature-store.client.js';
import { PredictionShipper } from './outbound/prediction-shipper.js';
import { WalPredictionLog } from './outbound/wal-prediction.log.js';
import { WorkerPoolClient } from './outbound/worker-pool.client.js';

const Settings = Symbol('InferenceGatewaySettings');

/** Starts and stops the parts in order. */
@Injectable()
class InferenceGateway implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly wal: WriteAheadLog;
  private readonly features: FeatureStoreClient;
  private readonly workers: WorkerPoolClient;
  private readonly routes: RouteTable;
  private readonly shipper: PredictionShipper;

  constructor(
    @Inject(Settings) settings: InferenceGatewaySettings,
    @Inject(MessageLog) messages: MessageLog,
    @Inject(GrpcServer) server: GrpcServer,
    @Inject(Metrics) registry: Metrics,
    @Inject(Readiness) readiness: Readiness,
    @Inject(Logger) logger: Logger,
  ) {
    const metrics = inferenceGatewayMetrics(registry);
    this.wal = new WriteAheadLog({
      folder: join(settings.DATA_DIR, 'wal'),
      maxBytes: settings.WAL_MAX_BYTES,
      fsync: settings.WAL_FSYNC,
    });
    this.features = new FeatureStoreClient(
      settings.FEATURE_STORE_ADDRESS,
      settings.MILLRACE_TOKEN,
      settings.FEATURES_TIMEOUT_MS,
      metrics,
    );
    this.workers = new WorkerPoolClient(
      settings.INFERENCE_WORKER_ADDRESSES,
      settings.MILLRACE_TOKEN,
      settings.WORKER_TIMEOUT_MS,
    );
    this.routes = new RouteTable(messages, this.workers, logger);
    this.shipper = new PredictionShipper(
      this.wal,
      messages.publisher('predictionsLogged'),
      settings.WAL_MAX_BYTES,
      metrics,
      readiness,
      logger,
    );
    const predictor = new Predictor(
      this.features,
      this.workers,
      new WalPredictionLog(this.wal),
      settings.MAX_ROWS_IN_FLIGHT,
    );
    serveOpenInference(server, this.routes, predictor, metrics, readiness);
    this.ensureTopics = () => messages.ensureTopics([{ id: 'predictionsLogged' }]);
  }

  private readonly ensureTopics: () => Promise<void>;

  async onApplicationBootstrap(): Promise<void> {
    await this.ensureTopics();
    await this.routes.start();
    this.shipper.start();
  }

  /** After the server has answered its last call. */
  async onApplicationShutdown(): Promise<void> {
    await this.routes.stop();
    await this.shipper.stop();
    this.features.close();
    this.workers.close();
    await this.wal.close();
  }
}

@Module({})
export class InferenceGatewayModule {
  static register(settings: InferenceGatewaySettings): DynamicModule {
    return {
      module: InferenceGatewayModule,
      imports: [ServiceModule.register('inference-gateway', settings)],
      providers: [{ provide: Settings, useValue: settings }, InferenceGateway],
    };
  }
}
