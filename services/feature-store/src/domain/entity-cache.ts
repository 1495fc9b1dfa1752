import { EntityLog } from '#libs/windows/entity-log.js';
import { decodeRecords } from '#libs/windows/packed-log.js';
import { bucketOf, type ViewPlan } from './plans.js';
import type { LogRead } from './ports.js';

interface Entry {
  readonly log: EntityLog;
  /** bucket -> bytes of it that the log holds */
  readonly held: Map<number, number>;
}

/** An entity's log on its way to answer for an instant: `log` may be asked once every read has been taken in. */
export interface Checkout {
  readonly log: EntityLog;
  readonly reads: readonly LogRead[];
  /** Takes in what the store answered to `reads[index]`; bytes that another answer brought meanwhile are skipped. */
  integrate(index: number, bytes: Buffer): void;
}

/** More buckets than this, and the log is read anew with just those that are asked for. */
const maxBuckets = 4;

/**
 * Logs as read from the online store, kept so that a read brings only what is new. Least recently used entities leave first.
 * Never stale: every use reads the rest of each bucket first, and a record that comes twice is recognised by its coordinates.
 */
export class EntityCache {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly maxEntities: number) {}

  checkout(view: ViewPlan, entity: string, q: number): Checkout {
    const wanted = range(bucketOf(view, q - view.maxWindowMs), bucketOf(view, q - 1));
    const entry = this.entry(view, entity, wanted);
    const reads = wanted.map((bucket) => ({ view, entity, bucket, knownBytes: entry.held.get(bucket) ?? 0 }));
    const integrate = (index: number, bytes: Buffer): void => {
      const read = reads[index]!;
      const held = entry.held.get(read.bucket) ?? 0;
      const skip = held - read.knownBytes;
      if (bytes.length <= skip) return;
      decodeRecords(bytes.subarray(skip), view.measures.length, entry.log);
      entry.held.set(read.bucket, read.knownBytes + bytes.length);
    };
    return { log: entry.log, reads, integrate };
  }

  /** After the store went back in time (it lost data) nothing that is held may be trusted. */
  clear(): void {
    this.entries.clear();
  }

  private entry(view: ViewPlan, entity: string, wanted: readonly number[]): Entry {
    const key = `${view.id}:${entity}`;
    let entry = this.entries.get(key);
    const held = entry?.held;
    const extra = held === undefined ? 0 : wanted.filter((bucket) => !held.has(bucket)).length;
    if (entry === undefined || entry.held.size + extra > maxBuckets)
      entry = { log: new EntityLog(view.measures.length), held: new Map() };
    this.entries.delete(key);
    this.entries.set(key, entry);
    if (this.entries.size > this.maxEntities) this.entries.delete(this.entries.keys().next().value!);
    return entry;
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
