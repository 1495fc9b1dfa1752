import type { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const featureStoreSettings = {
  ...serviceSettings,
  GRPC_TRANSPORT: setting.grpcTransport('wire'),
  REDIS_URL: setting.text(),
  CLICKHOUSE_URL: setting.url(),
  REGISTRY_ADDRESS: setting.address(),
  /** Entities whose logs are held in memory between reads. */
  MAX_CACHED_ENTITIES: setting.integer(200_000, 100, 100_000_000),
};

export type FeatureStoreSettings = z.infer<z.ZodObject<typeof featureStoreSettings>>;
