import { serviceSettings, setting } from '#libs/config/settings.js';
import type { z } from 'zod';

export const inferenceWorkerSettings = {
  ...serviceSettings,
  /** Folder of the artifact store; read only. */
  ARTIFACTS_DIR: setting.text(),
  /** So many models stay loaded; the least recently used one that is not live goes first. */
  MAX_LOADED_MODELS: setting.integer(16, 1, 1_000),
  /** Most rows of one run, whatever the model. */
  MAX_RUN_ROWS: setting.integer(256, 1, 8_192),
  /** A model's run gets as many rows as take about this long. */
  RUN_TARGET_US: setting.integer(1_000, 50, 1_000_000),
  /** Of all outputs of one request on tensors by name. */
  MAX_OUTPUT_BYTES: setting.integer(64 * 2 ** 20, 1_024, 2 ** 31),
  /** Rows that may wait for one model; more are refused as overloaded. */
  MAX_QUEUED_ROWS: setting.integer(10_000, 1, 10_000_000),
};

export type InferenceWorkerSettings = z.infer<z.ZodObject<typeof inferenceWorkerSettings>>;
