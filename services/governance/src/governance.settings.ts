import type { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const governanceSettings = {
  ...serviceSettings,
  /** postgres://user:password@host:port; the database `governance` is made where it is missing. */
  POSTGRES_URL: setting.text(),
  CLICKHOUSE_URL: setting.url(),
  REGISTRY_ADDRESS: setting.address(),
  /** Holds the key that tree heads are signed with. */
  DATA_DIR: setting.text(),
};

export type GovernanceSettings = z.infer<z.ZodObject<typeof governanceSettings>>;
