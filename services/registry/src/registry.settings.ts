import type { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const registrySettings = {
  ...serviceSettings,
  /** postgres://user:password@host:port; the database `registry` is made where it is missing. */
  POSTGRES_URL: setting.text(),
  /** Folder of the artifact store, which this service alone writes. */
  ARTIFACTS_DIR: setting.text(),
};

export type RegistrySettings = z.infer<z.ZodObject<typeof registrySettings>>;
