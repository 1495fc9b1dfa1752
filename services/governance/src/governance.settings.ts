import { z } from 'zod';
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
  /** Another OpenLineage server (without /api/v1/lineage) that every lineage event is sent on to; '' = none. */
  OPENLINEAGE_URL: z.string().default(''),
  /** What that server wants as bearer token; '' = nothing. */
  OPENLINEAGE_API_KEY: z.string().default(''),
};

export type GovernanceSettings = z.infer<z.ZodObject<typeof governanceSettings>>;
