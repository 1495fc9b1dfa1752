import { MillraceError, errorMessage } from '#libs/errors/millrace-error.js';
import { computeVector, lookupEntity } from './compute-vector.js';
import type { Checkout, EntityCache } from './entity-cache.js';
import type { ServicePlan, ViewPlan } from './plans.js';
import { type OnlineStore, type Position, type Snapshot, startPosition } from './ports.js';
import { requestRow } from './rows.js';

export interface VectorsQuestion {
  readonly plan: ServicePlan;
  readonly rows: readonly Record<string, unknown>[];
  /** Given instants, one a row; empty = from the rows. */
  readonly asOfMs: readonly number[];
  /** What "now" is, for rows that carry no instant. */
  readonly nowMs: number;
}

export interface StreamStanding {
  readonly stream: string;
  readonly watermarkMs: number;
  readonly appliedOffsets: readonly number[];
}

export interface VectorsAnswer {
  /** float32 [rows, features] */
  readonly vectors: Float32Array;
  readonly asOfMs: readonly number[];
  readonly standings: readonly StreamStanding[];
  readonly errors: readonly { row: number; code: string; message: string }[];
}

/** Of the raw and valid topics of every stream. */
export const partitions = 4;

/**
 * Answers a batch of questions from one consistent look at the online store: gathers every log that any row needs, reads what is new of all of them at once, and
 * computes while nothing else runs. A row that cannot be read fails alone, with NaN throughout.
 */
export async function serveVectors(
  store: OnlineStore,
  cache: EntityCache,
  questions: readonly VectorsQuestion[],
): Promise<VectorsAnswer[]> {
  const prepared = questions.map(prepare);
  const checkouts = new Map<string, Checkout>();
  for (const question of prepared) checkOutAll(question, cache, checkouts);
  const reads = [...checkouts.values()].flatMap((checkout) =>
    checkout.reads.map((read, index) => ({ read, checkout, index })),
  );
  const units = unitsOf(questions.map((question) => question.plan));
  const snapshot = await store.read(
    reads.map(({ read }) => read),
    [...units].map((unit) => ({ unit, partitions })),
  );
  reads.forEach(({ checkout, index }, i) => checkout.integrate(index, snapshot.bytes[i]!));
  return prepared.map((question) => answer(question, checkouts, snapshot));
}

interface Prepared extends VectorsQuestion {
  readonly parsed: readonly (Record<string, unknown> | undefined)[];
  readonly instants: readonly number[];
  readonly errors: { row: number; code: string; message: string }[];
}

function prepare(question: VectorsQuestion): Prepared {
  const errors: Prepared['errors'] = [];
  const instants: number[] = [];
  const parsed = question.rows.map((request, row) => {
    try {
      const columns = requestRow(question.plan.spine, request);
      const given = question.asOfMs[row] ?? (columns[question.plan.spine.eventTime] as number | null);
      instants.push(given ?? question.nowMs);
      return columns;
    } catch (error) {
      instants.push(question.nowMs);
      errors.push({
        row,
        code: error instanceof MillraceError ? error.code : 'invalid-argument',
        message: errorMessage(error),
      });
      return undefined;
    }
  });
  return { ...question, parsed, instants, errors };
}

function checkOutAll({ plan, parsed, instants }: Prepared, cache: EntityCache, checkouts: Map<string, Checkout>): void {
  parsed.forEach((columns, row) => {
    if (columns === undefined) return;
    for (const item of plan.items) {
      if (!('lookup' in item)) continue;
      const entity = lookupEntity(item.lookup, columns);
      if (entity === undefined) continue;
      const { view } = item.lookup;
      const q = instants[row]!;
      const key = checkoutKey(view, entity, q);
      if (!checkouts.has(key)) checkouts.set(key, cache.checkout(view, entity, q));
    }
  });
}

/** Rows of one batch whose instants fall into the same buckets share a check-out. */
function checkoutKey(view: ViewPlan, entity: string, q: number): string {
  return `${view.id}:${Math.floor((q - 1) / view.maxWindowMs)}:${Math.floor(q / view.maxWindowMs)}:${entity}`;
}

function unitsOf(plans: readonly ServicePlan[]): Set<string> {
  const units = new Set<string>();
  for (const plan of plans) {
    for (const item of plan.items) {
      if (!('lookup' in item)) continue;
      units.add(item.lookup.view.id);
      units.add(streamUnit(item.lookup.view.stream));
    }
  }
  return units;
}

export function streamUnit(stream: string): string {
  return `stream:${stream}`;
}

function answer(question: Prepared, checkouts: ReadonlyMap<string, Checkout>, snapshot: Snapshot): VectorsAnswer {
  const { plan, parsed, instants } = question;
  refuseFillingViews(plan, snapshot);
  const width = plan.featureNames.length;
  const vectors = new Float32Array(parsed.length * width).fill(Number.NaN);
  const oldestMs = oldestInstant(plan, snapshot);
  parsed.forEach((columns, row) => {
    const q = instants[row]!;
    if (columns === undefined) return;
    if (q < oldestMs) {
      const message = `the instant ${new Date(q).toISOString()} lies further behind the watermark than the ttl of a feature view; the oldest that is kept is ${new Date(oldestMs).toISOString()}`;
      return void question.errors.push({ row, code: 'failed-precondition', message });
    }
    computeVector(
      plan,
      columns,
      q,
      (lookup, entity) => checkouts.get(checkoutKey(lookup.view, entity, q))?.log,
      vectors,
      row * width,
    );
  });
  return { vectors, asOfMs: instants, standings: standingsOf(plan, snapshot), errors: question.errors };
}

/** Before it, what a view knew may have been forgotten already. */
function oldestInstant(plan: ServicePlan, snapshot: Snapshot): number {
  const ofViews = plan.items.map((item) => {
    if (!('lookup' in item)) return Number.NEGATIVE_INFINITY;
    const { view } = item.lookup;
    const watermarks = (snapshot.positions.get(streamUnit(view.stream)) ?? []).map(({ watermarkMs }) => watermarkMs);
    return Math.max(Number.NEGATIVE_INFINITY, ...watermarks) - view.ttlMs;
  });
  return Math.max(...ofViews);
}

/** A view that is still being filled from the past would answer with less than happened. */
function refuseFillingViews(plan: ServicePlan, snapshot: Snapshot): void {
  for (const item of plan.items) {
    if (!('lookup' in item)) continue;
    const { view } = item.lookup;
    const stream = snapshot.positions.get(streamUnit(view.stream)) ?? [];
    const own = snapshot.positions.get(view.id) ?? [];
    const behind = stream.some(
      (position, partition) => (own[partition] ?? startPosition).nextOffset < position.nextOffset,
    );
    if (behind)
      throw new MillraceError(
        'unavailable',
        `feature view ${view.name} is being filled from the history of ${view.stream}; try again shortly`,
      );
  }
}

export function standing(stream: string, positions: readonly Position[]): StreamStanding {
  const watermarkMs = positions.length === 0 ? -1 : Math.min(...positions.map((p) => p.watermarkMs));
  return { stream, watermarkMs, appliedOffsets: positions.map((p) => p.sourceOffset) };
}

function standingsOf(plan: ServicePlan, snapshot: Snapshot): StreamStanding[] {
  const streams = new Set(plan.items.flatMap((item) => ('lookup' in item ? [item.lookup.view.stream] : [])));
  return [...streams].map((stream) => standing(stream, snapshot.positions.get(streamUnit(stream)) ?? []));
}
