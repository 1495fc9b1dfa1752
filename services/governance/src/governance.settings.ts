import type { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const governanceSettings = {
  ...serviceSettings,
  /** postgres://user:password@host:port; the database `governance` is made where it is missing. */
  POSTGRES_URL: setting.text(),
  /** The prediction log is read there. */
  CLICKHOUSE_URL: setting.url(),
  /** Knows versions, runs and rollouts. */
  REGISTRY_ADDRESS: setting.address(),
  /** Holds the key that tree heads are signed with. */
  DATA_DIR: setting.text(),
};

export type GovernanceSettings = z.infer<z.ZodObject<typeof governanceSettings>>;
