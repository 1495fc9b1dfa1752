import type { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const consoleSettings = {
  ...serviceSettings,
  CLICKHOUSE_URL: setting.url(),
  REGISTRY_ADDRESS: setting.address(),
  TRAINER_ADDRESS: setting.address(),
  VALIDATOR_ADDRESS: setting.address(),
  FEATURE_STORE_ADDRESS: setting.address(),
  MONITOR_ADDRESS: setting.address(),
  GOVERNANCE_ADDRESS: setting.address(),
  /** `name=host:port,…`: the HTTP addresses of the services, whose /metrics and /readyz the picture of the mesh is made of. */
  SERVICE_HTTP_ADDRESSES: setting.text(),
};

export type ConsoleSettings = z.infer<z.ZodObject<typeof consoleSettings>>;
