import { quantise } from '#libs/windows/measure.js';
import { encodeRecord, recordBytes } from '#libs/windows/packed-log.js';
import { bucketOf, entityKey, type ViewPlan } from './plans.js';
import type { LogAppend } from './ports.js';
import type { Row } from './rows.js';

/**
 * The records that events add to a view's logs, gathered by entity and bucket. A measure that cannot be evaluated (a division by zero, an overflow) is null for
 * that event, the same online and offline.
 */
export class ViewWriter {
  private readonly gathered = new Map<string, { entity: string; bucket: number; records: Buffer[] }>();

  constructor(private readonly view: ViewPlan) {}

  add(row: Row): void {
    const entity = entityOf(this.view, row.columns);
    if (entity === undefined) return;
    const bucket = bucketOf(this.view, row.eventTimeMs);
    const key = `${bucket}:${entity}`;
    let group = this.gathered.get(key);
    if (group === undefined) {
      group = { entity, bucket, records: [] };
      this.gathered.set(key, group);
    }
    const record = Buffer.allocUnsafe(recordBytes(this.view.measures.length));
    encodeRecord(record, 0, {
      ts: row.eventTimeMs,
      partition: row.partition,
      offset: row.offset,
      measures: measuresOf(this.view, row.columns),
    });
    group.records.push(record);
  }

  appends(): LogAppend[] {
    return [...this.gathered.values()].map(({ entity, bucket, records }) => ({
      view: this.view,
      entity,
      bucket,
      records: Buffer.concat(records),
    }));
  }
}

export function entityOf(view: ViewPlan, columns: Record<string, unknown>): string | undefined {
  return entityKey(view.entityColumns.map((column) => columns[column]));
}

/** Exact integers of 1/scale; NaN = null. */
export function measuresOf(view: ViewPlan, columns: Record<string, unknown>): number[] {
  return view.measures.map(({ expression, scale }) => {
    try {
      return quantise(expression.evaluate(columns), scale);
    } catch {
      // CEL has no value for it (division by zero): null, and the event still counts for '*'.
      return Number.NaN;
    }
  });
}
