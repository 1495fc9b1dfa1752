import type { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const inferenceGatewaySettings = {
  ...serviceSettings,
  GRPC_TRANSPORT: setting.grpcTransport('wire'),
  FEATURE_STORE_ADDRESS: setting.address(),
  INFERENCE_WORKER_ADDRESSES: setting.addresses(),
  /** Gateways on this machine that share the two addresses and the work; 0 = one a core. */
  PROCESSES: setting.integer(1, 0, 256),
  /** Holds the write-ahead log of predictions, one of each process. */
  DATA_DIR: setting.text(),
  /** Unshipped predictions that the log may hold; when full, predictions are refused. */
  WAL_MAX_BYTES: setting.integer(2 ** 30, 2 ** 20, 2 ** 40),
  /** Force the log to the disk before every answer: survives a power cut, not only a killed process. */
  WAL_FSYNC: setting.flag(false),
  /** Rows in flight; beyond it callers get RESOURCE_EXHAUSTED at once. */
  MAX_ROWS_IN_FLIGHT: setting.integer(20_000, 1, 10_000_000),
  /** Half of the calls may take this long, or three times what the model takes by itself, before fewer are worked on at a time. */
  TARGET_LATENCY_MS: setting.integer(50, 1, 10_000),
  /** Bounds of how many calls are worked on at a time. */
  MIN_CALLS_IN_FLIGHT: setting.integer(16, 1, 100_000),
  MAX_CALLS_IN_FLIGHT: setting.integer(10_000, 1, 1_000_000),
  /** Answered rows that may wait to be shown to candidates; beyond it they are counted as unmirrored. */
  SHADOW_MAX_ROWS: setting.integer(2_000, 1, 1_000_000),
  /** What the answers of endpoints that ask for a response cache may take, all together; 0 = nothing is kept. */
  RESPONSE_CACHE_MAX_BYTES: setting.integer(2 ** 26, 0, 2 ** 36),
  FEATURES_TIMEOUT_MS: setting.integer(1_000, 10, 60_000),
  WORKER_TIMEOUT_MS: setting.integer(1_000, 10, 60_000),
  /** For the explanation of one request's rows. */
  EXPLAIN_TIMEOUT_MS: setting.integer(10_000, 10, 60_000),
  /** Servers elsewhere that versions may name, host:port, separated by commas; '' = none. */
  UPSTREAM_ADDRESSES: setting.addressesOrNone(),
  UPSTREAM_TIMEOUT_MS: setting.integer(5_000, 10, 300_000),
};

export type InferenceGatewaySettings = z.infer<z.ZodObject<typeof inferenceGatewaySettings>>;
