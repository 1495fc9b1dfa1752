import type { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const monitorSettings = {
  ...serviceSettings,
  CLICKHOUSE_URL: setting.url(),
  /** Between two looks at the rollouts that are under way. */
  JUDGE_INTERVAL_MS: setting.integer(1_000, 100, 3_600_000),
  /** The training sets that drift is measured against. */
  ARTIFACTS_DIR: setting.text(),
  WATCH_INTERVAL_MS: setting.integer(2_000, 100, 3_600_000),
  /** An Alertmanager that is told of alerts; unset = none. */
  ALERTMANAGER_URL: setting.url().optional(),
};

export type MonitorSettings = z.infer<z.ZodObject<typeof monitorSettings>>;

/** Where a Monitor's webhook is: itself, or what the environment has under NAME of `env:NAME`. @throws Error that names a variable which is not set */
export function webhookAddress(webhook: string, env: Record<string, string | undefined> = process.env): string {
  if (!webhook.startsWith('env:')) return webhook;
  const name = webhook.slice('env:'.length);
  const address = env[name];
  if (address === undefined || address === '')
    throw new Error(`webhook "${webhook}": the monitor's environment has no ${name}`);
  return address;
}
