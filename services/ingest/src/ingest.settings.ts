import type { z } from 'zod';
import { serviceSettings, setting } from '#libs/config/settings.js';

export const ingestSettings = {
  ...serviceSettings,
  /** Relative paths of Source definitions begin here; nothing outside of it is read. */
  SOURCES_DIR: setting.text(),
  /** Bytes that may wait for Kafka, over all streams; beyond it senders get RESOURCE_EXHAUSTED or 429. */
  MAX_WAITING_BYTES: setting.integer(64 * 2 ** 20, 2 ** 20, 2 ** 33),
};

export type IngestSettings = z.infer<z.ZodObject<typeof ingestSettings>>;
