import { errorMessage } from '#libs/errors/millrace-error.js';
import { failSlices, gather, type InferItem, Lane, scatter, type Slice } from './lane.js';
import type { Lease, ModelPool } from './model-pool.js';
import { fault } from './outcome.js';
import type { LoadedModel, ModelRun, WorkerObserver } from './ports.js';

const noBytes = Buffer.alloc(0);

interface ReadyLane {
  readonly lane: Lane;
  readonly lease: Lease;
}

/**
 * Natural batching: what waits for a model when its turn comes is one run, and nothing waits for company. One run at a time, each at most `maxRows` of its model;
 * models with work take turns, so that a busy one delays the others by one run, not by its queue. Between two runs the event loop turns and brings what has arrived.
 */
export class BatchScheduler {
  private readonly lanes = new Map<string, Lane>();
  private readonly ready: ReadyLane[] = [];
  private scratch = new Float32Array(0);
  private running = false;
  private queued = 0;

  /** @param maxQueuedRows a model: what comes above is refused as overloaded, except into an empty queue */
  constructor(
    private readonly pool: ModelPool,
    private readonly maxQueuedRows: number,
    private readonly observer: WorkerObserver,
    private readonly nowMs: () => number,
  ) {}

  /** Answers the item sooner or later, exactly once, unless it is abandoned. A model that is not loaded is loaded first. */
  submit(sha256: string, item: InferItem): void {
    const open = this.lanes.get(sha256);
    const queuedRows = open?.queuedRows ?? 0;
    if (queuedRows > 0 && queuedRows + item.rows > this.maxQueuedRows) {
      item.answer(fault('overloaded', `${queuedRows} rows already wait for model ${sha256}`));
      return;
    }
    const lane = open ?? this.openLane(sha256);
    lane.add(item, this.nowMs());
    this.changeQueued(item.rows);
  }

  private openLane(sha256: string): Lane {
    const lane = new Lane(sha256);
    this.lanes.set(sha256, lane);
    const lease = this.pool.lease(sha256);
    if (lease === undefined) void this.loadFor(lane);
    else this.enqueue({ lane, lease });
    return lane;
  }

  private async loadFor(lane: Lane): Promise<void> {
    const outcome = await this.pool.load(lane.sha256);
    const lease = outcome.ok ? this.pool.lease(lane.sha256) : undefined;
    if (lease !== undefined) return this.enqueue({ lane, lease });
    this.lanes.delete(lane.sha256);
    this.changeQueued(-lane.queuedRows);
    lane.failAll(outcome.ok ? fault('overloaded', `model ${lane.sha256} was unloaded while it was asked`) : outcome);
  }

  private enqueue(ready: ReadyLane): void {
    this.ready.push(ready);
    if (this.running) return;
    this.running = true;
    setImmediate(() => void this.runAll());
  }

  private async runAll(): Promise<void> {
    for (let turn = this.ready.shift(); turn !== undefined; turn = this.ready.shift()) {
      await this.runOnce(turn);
      if (turn.lane.isEmpty) this.closeLane(turn);
      else this.ready.push(turn);
    }
    this.running = false;
  }

  private closeLane({ lane, lease }: ReadyLane): void {
    this.lanes.delete(lane.sha256);
    lease.giveBack();
  }

  private async runOnce({ lane, lease: { model } }: ReadyLane): Promise<void> {
    const before = lane.queuedRows;
    const nowMs = this.nowMs();
    const slices = lane.take(model, nowMs);
    this.changeQueued(lane.queuedRows - before);
    const [oldest] = slices;
    if (oldest === undefined) return;
    if (oldest.firstRow === 0) this.observer.waited((nowMs - oldest.pending.addedMs) / 1_000);
    if (oldest.pending.item.tensors !== undefined) return this.runTensors(lane.sha256, model, oldest);
    const result = await this.run(model, slices).catch((error: unknown) =>
      fault('run-failed', `model ${lane.sha256}: ${errorMessage(error)}`),
    );
    if ('ok' in result) return failSlices(slices, result);
    this.observer.ran(result.rows, result.tookUs / 1_000_000);
    scatter(slices, model.columns, result.output, result.tookUs);
  }

  private async run(model: LoadedModel, slices: Slice[]): Promise<ModelRun & { rows: number }> {
    const needed = model.maxRows * model.features;
    if (this.scratch.length < needed) this.scratch = new Float32Array(needed);
    const rows = gather(slices, model.features, this.scratch);
    const result = await model.run(this.scratch.subarray(0, rows * model.features), rows);
    const bad = countNonFinite(result.output);
    if (bad > 0) this.observer.nonFinite(bad);
    return { ...result, rows };
  }

  private async runTensors(sha256: string, model: LoadedModel, { pending: { item } }: Slice): Promise<void> {
    const result = await model
      .runTensors(item.tensors!, item.outputNames ?? [])
      .catch((error: unknown) => fault('run-failed', `model ${sha256}: ${errorMessage(error)}`));
    if ('ok' in result) return item.answer(result);
    this.observer.ran(item.rows, result.tookUs / 1_000_000);
    const { tensors, tookUs } = result;
    item.answer({ ok: true, output: noBytes, columns: 0, tensors, runUs: Math.round(tookUs) });
  }

  private changeQueued(rows: number): void {
    this.queued += rows;
    this.observer.queuedRows(this.queued);
  }
}

function countNonFinite(values: Float32Array): number {
  let count = 0;
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) count += 1;
  return count;
}
