import { Redis } from 'ioredis';
import type { Logger } from '#libs/telemetry/logger.js';

/** A client that fails fast: no offline queue, one retry, every command bounded in time. Reconnects for ever. */
export function connectRedis(url: string, logger: Logger, commandTimeoutMs = 1_000): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    connectTimeout: 1_000,
    lazyConnect: true,
    retryStrategy: (times) => Math.min(50 * times, 500),
  });
  redis.on('error', (error: Error) => logger.debug('redis_error', { error: error.message }));
  return redis;
}
