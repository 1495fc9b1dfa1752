import type { TraceItem } from '#libs/contracts/generated/millrace/governance/v1/governance.js';

export type Facts = Record<string, string>;

/** Fact of what the chain lacks, and of what the audit log does not bear out. */
export const notRecorded = 'not recorded';
export const notProved = 'not proved';

/** Facts without a value are left out. @param atMs 0 = has no time */
export function traceItem(kind: string, id: string, atMs: number, facts: Facts): TraceItem {
  const given = Object.entries(facts).filter(([, value]) => value !== '');
  return { kind, id, atMs, facts: Object.fromEntries(given) };
}

export function instant(ms: number): string {
  return new Date(ms).toISOString();
}
