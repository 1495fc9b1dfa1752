import type { EndpointSpec, PolicySpec } from '#libs/definitions/definition-kinds.js';

const dayMs = 86_400_000;
/** DateTime ends in 2106: what has no limit goes then. */
const never = "toDateTime('2106-01-01 00:00:00', 'UTC')";

/** How long the prediction log is kept, in days of the wall clock. */
export interface Retention {
  /** By policy; undefined = for ever. */
  readonly days: number | undefined;
  /** Endpoints that are kept shorter than that, by name, in order. */
  readonly endpoints: ReadonlyMap<string, number>;
}

/** The shortest of the policies counts, and of an endpoint its own where that is shorter: a policy is a promise that no endpoint takes back. */
export function retentionOf(policies: Iterable<PolicySpec>, endpoints: Iterable<EndpointSpec>): Retention {
  const allowed = [...policies].flatMap(({ retention }) => (retention === undefined ? [] : [retention.predictionsMs]));
  const days = allowed.length === 0 ? undefined : Math.min(...allowed) / dayMs;
  const own = [...endpoints]
    .flatMap(({ name, log }) => (log?.retentionMs === undefined ? [] : [[name, log.retentionMs / dayMs] as const]))
    .filter(([, mine]) => days === undefined || mine < days)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return { days, endpoints: new Map(own) };
}

/**
 * The TTL of a table of the log, as ClickHouse says it. One expression, so that a part whose rows have all had their time is dropped without being read.
 * @param column wall clock
 * @param hasEndpoint the table has a column `endpoint`
 * @returns undefined = its rows are kept for ever
 */
export function ttlOf({ days, endpoints }: Retention, column: string, hasEndpoint: boolean): string | undefined {
  const after = (some: number): string => `toDateTime(${column}, 'UTC') + toIntervalDay(${some})`;
  const general = days === undefined ? never : after(days);
  if (!hasEndpoint || endpoints.size === 0) return days === undefined ? undefined : general;
  const cases = [...new Set(endpoints.values())].map((own) => {
    const names = [...endpoints].filter(([, days]) => days === own).map(([name]) => quoted(name));
    return `endpoint IN (${names.join(', ')}), ${after(own)}`;
  });
  return `multiIf(${cases.join(', ')}, ${general})`;
}

function quoted(name: string): string {
  if (!/^[a-z0-9-]+$/.test(name)) throw new Error(`"${name}" is no name of an endpoint`);
  return `'${name}'`;
}
