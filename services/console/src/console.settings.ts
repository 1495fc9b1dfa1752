import type { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';
import { addressSetting, httpAddressSetting, type ServiceName, serviceNames } from '#libs/contracts/services.js';

/** Services that the console asks in the name of who looks. */
export const askedServices = [
  'registry',
  'ingest',
  'validator',
  'feature-store',
  'trainer',
  'monitor',
  'governance',
] as const satisfies readonly ServiceName[];

export type AskedService = (typeof askedServices)[number];

const addresses = <N extends string>(names: readonly N[]): Record<N, ReturnType<typeof setting.address>> =>
  Object.fromEntries(names.map((name) => [name, setting.address()])) as Record<N, ReturnType<typeof setting.address>>;

export const consoleSettings = {
  ...serviceSettings,
  /** gRPC, host:port. */
  ...addresses(askedServices.map(addressSetting)),
  /** HTTP, host:port, for /readyz and /metrics. */
  ...addresses(serviceNames.map(httpAddressSetting)),
  /** Nobody is signed in for longer than this after the last request; twelve times as long in all. */
  SESSION_IDLE_SECONDS: setting.integer(3600, 1, 86_400),
};

export type ConsoleSettings = z.infer<z.ZodObject<typeof consoleSettings>>;
