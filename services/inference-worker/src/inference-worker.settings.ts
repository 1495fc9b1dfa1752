import { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const inferenceWorkerSettings = {
  ...serviceSettings,
  GRPC_TRANSPORT: setting.grpcTransport('wire'),
  /** Folder of the artifact store; read only. */
  ARTIFACTS_DIR: setting.text(),
  /** So many models stay loaded; the least recently used one that is not live goes first. */
  MAX_LOADED_MODELS: setting.integer(16, 1, 1_000),
  /** Of all loaded models, as measured when each was checked; a model that takes more alone is refused. */
  MODEL_MEMORY_BYTES: setting.integer(2 * 2 ** 30, 2 ** 20, 2 ** 42),
  /** Threads that run models at the same time, each with a session of every model; 1 = none: models run in the thread that serves. */
  INSTANCES: setting.integer(1, 1, 64),
  /** onnxruntime's execution providers, the preferred first, separated by commas. */
  EXECUTION_PROVIDERS: z
    .string()
    .default('cpu')
    .transform((text) => text.split(',').map((name) => name.trim()))
    .pipe(z.array(z.enum(['cpu', 'cuda', 'webgpu'])).min(1)),
  /** Most rows of one run, whatever the model. */
  MAX_RUN_ROWS: setting.integer(256, 1, 8_192),
  /** A model's run gets as many rows as take about this long. */
  RUN_TARGET_US: setting.integer(1_000, 50, 1_000_000),
  /** Of a model's file. */
  MAX_MODEL_BYTES: setting.integer(512 * 2 ** 20, 1_024, 2 ** 31),
  /** Resident memory of the process that checks a model before it is loaded. */
  MODEL_CHECK_MEMORY_BYTES: setting.integer(2 * 2 ** 30, 256 * 2 ** 20, 2 ** 40),
  /** A model that has not been created and run on zeros by then is refused. */
  MODEL_CHECK_TIMEOUT_MS: setting.integer(15_000, 100, 600_000),
  /** Of all outputs of one request on tensors by name. */
  MAX_OUTPUT_BYTES: setting.integer(64 * 2 ** 20, 1_024, 2 ** 31),
  /** Rows that may wait for one model; more are refused as overloaded. */
  MAX_QUEUED_ROWS: setting.integer(10_000, 1, 10_000_000),
  /** Rows that may wait to be explained, of all models; more are refused as overloaded. */
  MAX_EXPLAINED_ROWS: setting.integer(1_000, 1, 100_000),
};

export type InferenceWorkerSettings = z.infer<z.ZodObject<typeof inferenceWorkerSettings>>;
