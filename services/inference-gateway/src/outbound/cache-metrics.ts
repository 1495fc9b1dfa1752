import type { CacheObserver, EvictionReason } from '../domain/response-cache.js';
import type { InferenceGatewayMetrics } from '../inference-gateway.metrics.js';

/** What the response cache tells, as metrics. */
export class CacheMetrics implements CacheObserver {
  constructor(private readonly metrics: Pick<InferenceGatewayMetrics, 'cacheLooks' | 'cacheEvictions'>) {}

  looked(endpoint: string, hits: number, misses: number): void {
    if (hits > 0) this.metrics.cacheLooks.inc({ endpoint, result: 'hit' }, hits);
    if (misses > 0) this.metrics.cacheLooks.inc({ endpoint, result: 'miss' }, misses);
  }

  evicted(reason: EvictionReason): void {
    this.metrics.cacheEvictions.inc({ reason });
  }
}
