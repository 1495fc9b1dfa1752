import { matcherOf } from '#libs/auth/authorizer.js';
import type { Caller } from '#libs/auth/caller.js';
import type { PolicySpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

interface Quota {
  readonly policy: string;
  readonly role: string;
  readonly on: readonly string[];
  readonly matches: readonly RegExp[];
  readonly requestsPerSecond: number;
  readonly burst: number;
  /** By caller's name, the one that came last at the end. */
  readonly buckets: Map<string, Bucket>;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Callers that one quota remembers; of more, the one that has been quiet for longest begins anew. */
const maxCallers = 10_000;

/** How many requests each caller may ask, by policies: a token bucket for each quota and caller. A caller without a role that a quota names has none. */
export class CallerQuotas {
  private quotas: readonly Quota[] = [];

  constructor(private readonly nowMs: () => number) {}

  /** What policies say now. Whoever had used up a quota that is still there starts with a full one. */
  setPolicies(policies: readonly PolicySpec[]): void {
    this.quotas = policies.flatMap(({ name, quotas = [] }) =>
      quotas.map((quota) => ({
        ...quota,
        policy: name,
        matches: quota.on.map(matcherOf),
        buckets: new Map<string, Bucket>(),
      })),
    );
  }

  /** Takes one request from each quota of the caller's. @throws MillraceError resource-exhausted, which names the quota and when there is one again; then none is taken */
  take(caller: Caller, endpoint: string): void {
    if (this.quotas.length === 0) return;
    const resource = `endpoints/${endpoint}`;
    const mine = this.quotas.filter(
      ({ role, matches }) => caller.roles.includes(role) && matches.some((pattern) => pattern.test(resource)),
    );
    const buckets = mine.map((quota) => this.filled(quota, caller.name));
    const empty = buckets.findIndex(({ tokens }) => tokens < 1);
    if (empty >= 0) throw usedUp(mine[empty]!, caller.name, buckets[empty]!.tokens);
    for (const bucket of buckets) bucket.tokens -= 1;
  }

  private filled(quota: Quota, caller: string): Bucket {
    const { buckets, burst, requestsPerSecond } = quota;
    const nowMs = this.nowMs();
    const bucket = buckets.get(caller) ?? { tokens: burst, atMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * requestsPerSecond);
    bucket.atMs = nowMs;
    buckets.delete(caller);
    buckets.set(caller, bucket);
    if (buckets.size > maxCallers) buckets.delete(buckets.keys().next().value!);
    return bucket;
  }
}

function usedUp({ policy, role, on, requestsPerSecond, burst }: Quota, caller: string, tokens: number): MillraceError {
  const retryAfterMs = Math.ceil(((1 - tokens) / requestsPerSecond) * 1_000);
  return new MillraceError(
    'resource-exhausted',
    `${caller} has used up its quota: policy ${policy} allows ${role} ${requestsPerSecond} requests a second on ${on.join(', ')}, ${burst} at once; there is one again in ${retryAfterMs} ms`,
    { retryAfterMs },
  );
}
