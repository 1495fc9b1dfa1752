import type { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const monitorSettings = {
  ...serviceSettings,
  CLICKHOUSE_URL: setting.url(),
  /** Between two looks at the rollouts that are under way. */
  JUDGE_INTERVAL_MS: setting.integer(1_000, 100, 3_600_000),
};

export type MonitorSettings = z.infer<z.ZodObject<typeof monitorSettings>>;
