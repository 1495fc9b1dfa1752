import { evaluateAggregation } from '#libs/windows/aggregate.js';
import type { EntityLog } from '#libs/windows/entity-log.js';
import { entityKey, type Lookup, type ServicePlan } from './plans.js';

/** The log of a view's entity; undefined = nothing is known of it. */
export type LogSource = (lookup: Lookup, entity: string) => EntityLog | undefined;

/** The entity that a lookup asks for, as a key; undefined = a part of it is null. */
export function lookupEntity(lookup: Lookup, row: Record<string, unknown>): string | undefined {
  return entityKey(lookup.entity.map((expression) => expression.evaluate(row)));
}

/**
 * One vector: float32, NaN = null, in the service's order. Every feature is the exact aggregate of the events with q - window <= event time < q, rounded to float32
 * once at the end. This is the one place where vectors are made, for requests and for training sets alike.
 * @param row the spine's columns, from requestRow
 * @param q the instant, epoch ms
 * @param into written from `at` on
 */
export function computeVector(
  plan: ServicePlan,
  row: Record<string, unknown>,
  q: number,
  logs: LogSource,
  into: Float32Array,
  at: number,
): void {
  let next = at;
  for (const item of plan.items) {
    if ('request' in item) {
      const value = item.request.evaluate(row);
      into[next++] = value === null ? Number.NaN : Number(value);
      continue;
    }
    const entity = lookupEntity(item.lookup, row);
    const log = entity === undefined ? undefined : logs(item.lookup, entity);
    for (const { aggregation } of item.lookup.features) into[next++] = evaluateAggregation(log, aggregation, q);
  }
}
