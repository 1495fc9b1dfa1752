import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Authorizer } from '#libs/auth/authorizer.js';
import { OwnProcess } from '#libs/boot/own-process.js';
import { ServiceModule } from '#libs/boot/service.module.js';
import { GRPCInferenceServiceService } from '#libs/contracts/generated/inference/v2/inference.js';
import { MessageLog } from '#libs/messaging/message-log.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { Tracing } from '#libs/telemetry/tracing.js';
import { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import { CachedRunner } from './domain/cached-scores.js';
import { CachedTensorRunner } from './domain/cached-tensors.js';
import { CallerQuotas } from './domain/caller-quotas.js';
import { ConcurrencyLimit } from './domain/concurrency-limit.js';
import { Mirror } from './domain/mirror.js';
import { Predictor } from './domain/predictor.js';
import { ResponseCache } from './domain/response-cache.js';
import { Admission } from './inbound/admission.js';
import { FeedbackCalls } from './inbound/feedback-calls.js';
import { FeedbackController } from './inbound/feedback.controller.js';
import { serveFeedback } from './inbound/feedback.grpc.js';
import { TensorMirror } from './domain/tensor-mirror.js';
import { tensorLimitsOf, TensorPredictor } from './domain/tensor-predictor.js';
import { InferenceCalls } from './inbound/inference-calls.js';
import { OpenInferenceController } from './inbound/open-inference.controller.js';
import { serveOpenInference } from './inbound/open-inference.grpc.js';
import { BodyReader } from './inbound/rest-body.js';
import { RouteTable } from './inbound/route-table.follower.js';
import { inferenceGatewayMetrics } from './inference-gateway.metrics.js';
import type { InferenceGatewaySettings } from './inference-gateway.settings.js';
import { AnyTensorRunner } from './outbound/any-tensor.runner.js';
import { BlockTraces } from './outbound/block-traces.js';
import { CacheMetrics } from './outbound/cache-metrics.js';
import { FeatureStoreClient } from './outbound/feature-store.client.js';
import { LeftOverLogs } from './outbound/left-over-logs.js';
import { PredictionShipper } from './outbound/prediction-shipper.js';
import { WalFeedbackLog } from './outbound/wal-feedback.log.js';
import { UpstreamRunner } from './outbound/upstream.runner.js';
import { WalPredictionLog } from './outbound/wal-prediction.log.js';
import { WorkerPoolClient } from './outbound/worker-pool.client.js';
import { WorkerTensorRunner } from './outbound/worker-tensor.runner.js';
import { leftOverFolders, logFolderOf, shareOf } from './process-share.js';

const Settings = Symbol('InferenceGatewaySettings');

/** Starts and stops the parts in order. */
@Injectable()
class InferenceGateway implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly wal: WriteAheadLog;
  private readonly features: FeatureStoreClient;
  private readonly workers: WorkerPoolClient;
  readonly routes: RouteTable;
  readonly calls: InferenceCalls;
  readonly feedback: FeedbackCalls;
  private readonly shipper: PredictionShipper;
  private readonly leftOver: LeftOverLogs;
  private readonly log: WalPredictionLog;
  private readonly mirror: Mirror;
  private readonly tensorMirror: TensorMirror;
  private readonly upstreams: UpstreamRunner;
  private drainUntilMs = 0;

  constructor(
    @Inject(Settings) private readonly settings: InferenceGatewaySettings,
    @Inject(MessageLog) messages: MessageLog,
    @Inject(GrpcServer) server: GrpcServer,
    @Inject(Metrics) registry: Metrics,
    @Inject(Readiness) readiness: Readiness,
    @Inject(Logger) logger: Logger,
    @Inject(Tracing) tracing: Tracing,
    @Inject(Authorizer) authorizer: Authorizer,
    @Inject(OwnProcess) own: OwnProcess,
  ) {
    const metrics = inferenceGatewayMetrics(registry);
    this.wal = new WriteAheadLog({
      folder: logFolderOf(settings.DATA_DIR, own.number),
      maxBytes: settings.WAL_MAX_BYTES,
      fsync: settings.WAL_FSYNC,
    });
    this.features = new FeatureStoreClient(
      settings.FEATURE_STORE_ADDRESS,
      settings.MILLRACE_TOKEN,
      settings.FEATURES_TIMEOUT_MS,
      metrics,
      tracing,
      settings.GRPC_TRANSPORT,
    );
    this.workers = new WorkerPoolClient(
      settings.INFERENCE_WORKER_ADDRESSES,
      settings.MILLRACE_TOKEN,
      settings.WORKER_TIMEOUT_MS,
      tracing,
      settings.EXPLAIN_TIMEOUT_MS,
      settings.GRPC_TRANSPORT,
    );
    this.upstreams = new UpstreamRunner({
      addresses: settings.UPSTREAM_ADDRESSES,
      timeoutMs: settings.UPSTREAM_TIMEOUT_MS,
      maxMessageBytes: settings.GRPC_MAX_MESSAGE_BYTES,
    });
    const tensorRunner = new AnyTensorRunner(new WorkerTensorRunner(this.workers), this.upstreams);
    this.routes = new RouteTable(messages, this.workers, tensorRunner, logger);
    const traces = new BlockTraces();
    const logged = messages.publisher('predictionsLogged');
    this.shipper = new PredictionShipper(this.wal, logged, settings.WAL_MAX_BYTES, metrics, readiness, logger, traces);
    // One process takes care of them: the first.
    const left = own.number === 0 ? leftOverFolders(settings.DATA_DIR, own.of) : [];
    this.leftOver = new LeftOverLogs(left, logged, logger);
    registry.readWhenAsked(metrics.leftOverBytes, () => this.leftOver.bytes);
    this.log = new WalPredictionLog(this.wal, metrics, traces);
    const limit = new ConcurrencyLimit(
      { floor: settings.MIN_CALLS_IN_FLIGHT, max: settings.MAX_CALLS_IN_FLIGHT, targetMs: settings.TARGET_LATENCY_MS },
      () => performance.now(),
      setImmediate,
    );
    registry.readWhenAsked(metrics.callsInFlight, () => limit.inFlight);
    registry.readWhenAsked(metrics.concurrencyLimit, () => limit.current);
    const admission = new Admission(limit, metrics);
    const quotas = new CallerQuotas(() => performance.now());
    quotas.setPolicies(authorizer.known);
    authorizer.onChange(() => quotas.setPolicies(authorizer.known));
    this.mirror = new Mirror(this.workers, this.log, settings.SHADOW_MAX_ROWS, admission.isBusy);
    const cache = new ResponseCache(settings.RESPONSE_CACHE_MAX_BYTES, new CacheMetrics(metrics), () =>
      performance.now(),
    );
    registry.readWhenAsked(metrics.cacheBytes, () => cache.bytes);
    registry.readWhenAsked(metrics.cacheEntries, () => cache.entries);
    const predictor = new Predictor(
      this.features,
      this.workers,
      this.log,
      this.mirror,
      settings.MAX_ROWS_IN_FLIGHT,
      new CachedRunner(this.workers, cache),
    );
    const tensorLimits = tensorLimitsOf(settings.GRPC_MAX_MESSAGE_BYTES);
    this.tensorMirror = new TensorMirror(
      tensorRunner,
      this.log,
      settings.SHADOW_MAX_ROWS,
      tensorLimits.maxBytesInFlight / 2,
      admission.isBusy,
    );
    const cachedTensors = new CachedTensorRunner(tensorRunner, cache);
    const tensors = new TensorPredictor(
      tensorRunner,
      this.log,
      this.tensorMirror,
      tensorLimits,
      Math.random,
      cachedTensors,
    );
    this.calls = new InferenceCalls(this.routes, predictor, tensors, admission, quotas, metrics);
    server.addGate(GRPCInferenceServiceService.modelInfer.path, admission.refusal);
    serveOpenInference(server, this.routes, this.calls, readiness);
    this.feedback = new FeedbackCalls(new WalFeedbackLog(this.wal), metrics);
    serveFeedback(server, this.feedback);
    this.ensureTopics = () => messages.ensureTopics([{ id: 'predictionsLogged' }]);
  }

  private readonly ensureTopics: () => Promise<void>;

  async onApplicationBootstrap(): Promise<void> {
    await this.ensureTopics();
    await this.routes.start();
    this.shipper.start();
    this.leftOver.start();
  }

  beforeApplicationShutdown(): void {
    this.drainUntilMs = Date.now() + this.settings.DRAIN_GRACE_MS;
  }

  /** After the server has answered its last call; answered rows are mirrored in what that has left of the grace. */
  async onApplicationShutdown(): Promise<void> {
    await this.routes.stop();
    const leftMs = Math.max(0, this.drainUntilMs - Date.now());
    await Promise.all([this.mirror.stop(leftMs), this.tensorMirror.stop(leftMs)]);
    await this.log.close();
    await Promise.all([this.shipper.stop(), this.leftOver.stop()]);
    this.features.close();
    this.workers.close();
    this.upstreams.close();
    await this.wal.close();
  }
}

@Module({})
export class InferenceGatewayModule {
  /** @param own which of the processes that share the gateway's addresses it is for */
  static register(whole: InferenceGatewaySettings, own = OwnProcess.alone()): DynamicModule {
    const settings = shareOf(whole, own.of);
    return {
      module: InferenceGatewayModule,
      imports: [ServiceModule.register('inference-gateway', settings, own)],
      // The first that matches answers, and the protocol's takes all of /v2.
      controllers: [FeedbackController, OpenInferenceController],
      providers: [
        { provide: Settings, useValue: settings },
        InferenceGateway,
        { provide: RouteTable, useFactory: ({ routes }: InferenceGateway) => routes, inject: [InferenceGateway] },
        { provide: InferenceCalls, useFactory: ({ calls }: InferenceGateway) => calls, inject: [InferenceGateway] },
        {
          provide: FeedbackCalls,
          useFactory: ({ feedback }: InferenceGateway) => feedback,
          inject: [InferenceGateway],
        },
        { provide: BodyReader, useValue: new BodyReader(settings.GRPC_MAX_MESSAGE_BYTES) },
      ],
    };
  }
}
