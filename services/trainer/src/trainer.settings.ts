import { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const trainerSettings = {
  ...serviceSettings,
  /** postgres://user:password@host:port; the database `trainer` is made where it is missing. */
  POSTGRES_URL: setting.text(),
  REGISTRY_ADDRESS: setting.address(),
  FEATURE_STORE_ADDRESS: setting.address(),
  /** Folder of the artifact store; read only. */
  ARTIFACTS_DIR: setting.text(),
  /** Holds the working folders of jobs. */
  DATA_DIR: setting.text(),
  /** The interpreter with the packages of python/requirements.lock. */
  PYTHON: setting.text(),
  /** Commit of the project that trains, for the record; '' = not known. */
  CODE_COMMIT: z
    .string()
    .regex(/^([0-9a-f]{40}|[0-9a-f]{64})?$/, 'must be a whole commit hash in lower case, or empty')
    .default(''),
  JOB_THREADS: setting.integer(2, 1, 256),
  JOB_WALL_SECONDS: setting.integer(1_800, 1, 604_800),
  JOB_MAX_RSS_MB: setting.integer(4_096, 256, 1_048_576),
};

export type TrainerSettings = z.infer<z.ZodObject<typeof trainerSettings>>;
