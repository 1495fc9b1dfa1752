import type { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const validatorSettings = {
  ...serviceSettings,
  CLICKHOUSE_URL: setting.url(),
};

export type ValidatorSettings = z.infer<z.ZodObject<typeof validatorSettings>>;
