import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ServiceModule } from '#libs/boot/service.module.js';
import { MessageLog } from '#libs/messaging/message-log.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { BatchScheduler } from './domain/batch-scheduler.js';
import { Explanations } from './domain/explanations.js';
import { LiveModels } from './domain/live-models.js';
import { ModelPool } from './domain/model-pool.js';
import { ModelChecker, RememberingChecker } from './domain/model-checker.js';
import { ModelLoader, type ModelMaker, WorkerObserver } from './domain/ports.js';
import { InferenceWorkerGrpc } from './inbound/inference-worker.grpc.js';
import { LiveModelsFollower } from './inbound/live-models.follower.js';
import { ExplanationMetrics, MetricsObserver } from './inference-worker.metrics.js';
import type { InferenceWorkerSettings } from './inference-worker.settings.js';
import { assertProviders } from './outbound/execution-providers.js';
import { IsolatedModelChecker } from './outbound/isolated-model.checker.js';
import { ModelTrial } from './outbound/model-trial.js';
import { OnnxModelLoader } from './outbound/onnx-model.loader.js';
import { ThreadExplainer } from './outbound/thread-explainer.js';
import { ThreadInstances } from './outbound/thread-instances.js';

const nowMs = (): number => performance.now();
const Maker = Symbol('ModelMaker');

@Module({})
export class InferenceWorkerModule implements OnApplicationShutdown {
  constructor(
    private readonly pool: ModelPool,
    private readonly checks: IsolatedModelChecker,
    private readonly explainer: ThreadExplainer,
    @Inject(Maker) private readonly maker: ModelTrial | ThreadInstances,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.pool.unloadAll();
    await this.checks.close();
    await this.explainer.close();
    if (this.maker instanceof ThreadInstances) await this.maker.close();
  }

  static register(settings: InferenceWorkerSettings): DynamicModule {
    const limit = { maxRows: settings.MAX_RUN_ROWS, targetUs: settings.RUN_TARGET_US };
    const bounds = { maxModels: settings.MAX_LOADED_MODELS, maxBytes: settings.MODEL_MEMORY_BYTES };
    const checkLimits = {
      memoryBytes: settings.MODEL_CHECK_MEMORY_BYTES,
      timeoutMs: settings.MODEL_CHECK_TIMEOUT_MS,
    };
    return {
      module: InferenceWorkerModule,
      imports: [ServiceModule.register('inference-worker', settings)],
      providers: [
        {
          provide: IsolatedModelChecker,
          useFactory: () => {
            const checks = new IsolatedModelChecker(checkLimits, { limit, maxOutputBytes: settings.MAX_OUTPUT_BYTES });
            checks.warmUp();
            return checks;
          },
        },
        {
          provide: ModelChecker,
          inject: [IsolatedModelChecker],
          useFactory: (checks: IsolatedModelChecker) =>
            new RememberingChecker((sha256, path) => checks.check(sha256, path), nowMs),
        },
        { provide: Maker, useFactory: () => makerOf(settings) },
        {
          provide: ModelLoader,
          inject: [ModelChecker, Maker],
          useFactory: (checker: ModelChecker, maker: ModelMaker) =>
            new OnnxModelLoader(
              new ArtifactStore(settings.ARTIFACTS_DIR),
              checker,
              maker,
              settings.MAX_MODEL_BYTES,
              settings.MODEL_MEMORY_BYTES,
              settings.INSTANCES,
            ),
        },
        {
          provide: WorkerObserver,
          inject: [Metrics],
          useFactory: (metrics: Metrics) => new MetricsObserver(metrics),
        },
        {
          provide: ModelPool,
          inject: [ModelLoader, WorkerObserver],
          useFactory: (loader: ModelLoader, observer: WorkerObserver) => new ModelPool(loader, bounds, observer, nowMs),
        },
        {
          provide: BatchScheduler,
          inject: [ModelPool, WorkerObserver],
          useFactory: (pool: ModelPool, observer: WorkerObserver) =>
            new BatchScheduler(pool, settings.MAX_QUEUED_ROWS, observer, nowMs, settings.INSTANCES),
        },
        {
          provide: ThreadExplainer,
          useFactory: () => new ThreadExplainer({ artifactsDir: settings.ARTIFACTS_DIR }),
        },
        {
          provide: Explanations,
          inject: [BatchScheduler, ThreadExplainer, Metrics],
          useFactory: (scheduler: BatchScheduler, explainer: ThreadExplainer, metrics: Metrics) =>
            new Explanations(scheduler, explainer, settings.MAX_EXPLAINED_ROWS, new ExplanationMetrics(metrics), nowMs),
        },
        {
          provide: LiveModels,
          inject: [ModelPool, Logger],
          useFactory: (pool: ModelPool, log: Logger) =>
            new LiveModels(pool, (model, problem) => log.error('model_not_loaded', { ...model, problem })),
        },
        {
          provide: LiveModelsFollower,
          inject: [MessageLog, LiveModels],
          useFactory: (messageLog: MessageLog, liveModels: LiveModels) =>
            new LiveModelsFollower(messageLog, liveModels),
        },
        {
          provide: InferenceWorkerGrpc,
          inject: [GrpcServer, ModelPool, BatchScheduler, Explanations, WorkerObserver],
          useFactory: (
            server: GrpcServer,
            pool: ModelPool,
            scheduler: BatchScheduler,
            explanations: Explanations,
            observer: WorkerObserver,
          ) => new InferenceWorkerGrpc(server, pool, scheduler, explanations, observer),
        },
      ],
    };
  }
}

/** @throws MillraceError failed-precondition where a provider does not work here */
async function makerOf(settings: InferenceWorkerSettings): Promise<ModelTrial | ThreadInstances> {
  const { INSTANCES: count, EXECUTION_PROVIDERS: providers, MAX_OUTPUT_BYTES: maxOutputBytes } = settings;
  const limit = { maxRows: settings.MAX_RUN_ROWS, targetUs: settings.RUN_TARGET_US };
  await assertProviders(providers);
  if (count === 1) return new ModelTrial(limit, maxOutputBytes, providers);
  // Crash-only: whoever started the worker starts it again, with all instances.
  return new ThreadInstances(count, { limit, maxOutputBytes, providers }, (error) => void Promise.reject(error));
}
