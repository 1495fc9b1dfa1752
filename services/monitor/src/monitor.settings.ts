import type { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const monitorSettings = {
  ...serviceSettings,
  CLICKHOUSE_URL: setting.url(),
};

export type MonitorSettings = z.infer<z.ZodObject<typeof monitorSettings>>;
