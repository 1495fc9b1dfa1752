import type { ViewPlan } from './plans.js';
import { type LogAppend, type OnlineStore, type Position, startPosition } from './ports.js';
import type { Row } from './rows.js';
import { partitions, streamUnit } from './serve-vectors.js';
import { ViewWriter } from './view-writer.js';

/** A record of the valid topic, in order: an event or a watermark. */
export interface StreamRecord {
  readonly validOffset: number;
  readonly sourceOffset: number;
  readonly row: Row | undefined;
  readonly watermarkMs: number | undefined;
}

/**
 * Applies records of one partition to the online store, exactly once a unit: a unit takes only records from its own position on, and only events above its last
 * source offset, so that neither redelivery nor a validator that repeated itself counts an event twice. Positions move in the same step as the logs.
 * @returns false when the units had moved meanwhile: read their positions again and repeat
 */
export async function applyChunk(
  store: OnlineStore,
  stream: string,
  partition: number,
  views: readonly ViewPlan[],
  records: readonly StreamRecord[],
  positions: Map<string, Position>,
): Promise<boolean> {
  const expected = new Map<string, Position>();
  const next = new Map<string, Position>();
  const appends: LogAppend[] = [];
  for (const [unit, view] of unitsOf(stream, views)) {
    const from = positions.get(unit) ?? startPosition;
    const to = advance(from, records, view === undefined ? undefined : new ViewWriter(view), appends);
    if (to === from) continue;
    expected.set(unit, from);
    next.set(unit, to);
  }
  if (next.size === 0) return true;
  if (!(await store.apply(partition, expected, next, appends))) return false;
  for (const [unit, position] of next) positions.set(unit, position);
  return true;
}

function advance(
  from: Position,
  records: readonly StreamRecord[],
  writer: ViewWriter | undefined,
  appends: LogAppend[],
): Position {
  let { sourceOffset, nextOffset, watermarkMs } = from;
  for (const record of records) {
    if (record.validOffset < nextOffset) continue;
    nextOffset = record.validOffset + 1;
    if (record.sourceOffset <= sourceOffset) continue;
    sourceOffset = record.sourceOffset;
    if (record.watermarkMs !== undefined) watermarkMs = Math.max(watermarkMs, record.watermarkMs);
    if (record.row !== undefined) writer?.add(record.row);
  }
  if (nextOffset === from.nextOffset) return from;
  if (writer !== undefined) appends.push(...writer.appends());
  return { sourceOffset, nextOffset, watermarkMs };
}

export function unitsOf(stream: string, views: readonly ViewPlan[]): [unit: string, view: ViewPlan | undefined][] {
  return [[streamUnit(stream), undefined], ...views.map((view): [string, ViewPlan] => [view.id, view])];
}

/** Where the units of a stream stand in one partition, as the store knows it. */
export async function readPositions(
  store: OnlineStore,
  stream: string,
  views: readonly ViewPlan[],
  partition: number,
): Promise<Map<string, Position>> {
  const units = unitsOf(stream, views).map(([unit]) => ({ unit, partitions }));
  const { positions } = await store.read([], units);
  return new Map(units.map(({ unit }) => [unit, positions.get(unit)?.[partition] ?? startPosition]));
}
