import { errorMessage } from '#libs/errors/millrace-error.js';
import { failSlices, gather, type InferItem, Lane, scatter, type Slice } from './lane.js';
import type { Lease, ModelPool } from './model-pool.js';
import { fault } from './outcome.js';
import type { LoadedModel, ModelRun, WorkerObserver } from './ports.js';

const noBytes = Buffer.alloc(0);

interface Turns {
  readonly lane: Lane;
  /** Undefined = its model is being loaded. */
  lease: Lease | undefined;
  /** Runs of it that are under way. */
  running: number;
  isReady: boolean;
}

/**
 * Natural batching: what waits for a model when its turn comes is one run, and nothing waits for company. As many runs at a time as there are instances, each at most `maxRows` of its model;
 * models with work take turns, so that a busy one delays the others by one run, not by its queue. Between two runs the event loop turns and brings what has arrived.
 */
export class BatchScheduler {
  /** Of the models with work, few at a time. No Map: one that entries come to and leave all the time keeps what is gone from young collections (NumberMap says why). */
  private readonly lanes: Turns[] = [];
  private readonly ready: Turns[] = [];
  private scratch = new Float32Array(0);
  private running = 0;
  private queued = 0;

  /**
   * @param maxQueuedRows a model: what comes above is refused as overloaded, except into an empty queue
   * @param instances runs at a time; with one a model's next run begins after the others have had their turns
   */
  constructor(
    private readonly pool: ModelPool,
    private readonly maxQueuedRows: number,
    private readonly observer: WorkerObserver,
    private readonly nowMs: () => number,
    private readonly instances = 1,
  ) {}

  /** Answers the item sooner or later, exactly once, unless it is abandoned. A model that is not loaded is loaded first. */
  submit(sha256: string, item: InferItem): void {
    const open = this.lanes.find(({ lane }) => lane.sha256 === sha256);
    const queuedRows = open?.lane.queuedRows ?? 0;
    if (queuedRows > 0 && queuedRows + item.rows > this.maxQueuedRows) {
      item.answer(fault('overloaded', `${queuedRows} rows already wait for model ${sha256}`));
      return;
    }
    const turns = open ?? this.openLane(sha256);
    turns.lane.add(item, this.nowMs());
    this.changeQueued(item.rows);
    if (turns.running > 0 && this.instances > 1) this.enqueue(turns);
  }

  private openLane(sha256: string): Turns {
    const lease = this.pool.lease(sha256);
    const turns: Turns = { lane: new Lane(sha256), lease, running: 0, isReady: false };
    this.lanes.push(turns);
    if (lease === undefined) void this.loadFor(turns);
    else this.enqueue(turns);
    return turns;
  }

  private async loadFor(turns: Turns): Promise<void> {
    const { lane } = turns;
    const outcome = await this.pool.load(lane.sha256);
    turns.lease = outcome.ok ? this.pool.lease(lane.sha256) : undefined;
    if (turns.lease !== undefined) return this.enqueue(turns);
    this.forget(turns);
    this.changeQueued(-lane.queuedRows);
    lane.failAll(outcome.ok ? fault('overloaded', `model ${lane.sha256} was unloaded while it was asked`) : outcome);
  }

  private enqueue(turns: Turns): void {
    if (turns.isReady) return;
    turns.isReady = true;
    this.ready.push(turns);
    if (this.running === this.instances) return;
    this.running += 1;
    setImmediate(() => void this.runAll());
  }

  private async runAll(): Promise<void> {
    for (let turns = this.ready.shift(); turns !== undefined; turns = this.ready.shift()) {
      turns.isReady = false;
      turns.running += 1;
      const run = this.runOnce(turns);
      // What it did not take is for whichever other instance is free.
      if (this.instances > 1 && !turns.lane.isEmpty) this.enqueue(turns);
      await run;
      turns.running -= 1;
      if (!turns.lane.isEmpty) this.enqueue(turns);
      else if (turns.running === 0 && !turns.isReady) this.closeLane(turns);
    }
    this.running -= 1;
  }

  private closeLane(turns: Turns): void {
    this.forget(turns);
    turns.lease!.giveBack();
  }

  private forget(turns: Turns): void {
    this.lanes.splice(this.lanes.indexOf(turns), 1);
  }

  private async runOnce({ lane, lease }: Turns): Promise<void> {
    const { model } = lease!;
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
    const scratch = this.scratchFor(model, slices);
    const rows = gather(slices, model.features, scratch);
    const { output, tookUs } = await model.run(scratch.subarray(0, rows * model.features), rows);
    const bad = countNonFinite(output);
    if (bad > 0) this.observer.nonFinite(bad);
    return { output, tookUs, rows };
  }

  /** One for all runs, where there is one at a time; else the instance keeps what it is given. */
  private scratchFor(model: LoadedModel, slices: readonly Slice[]): Float32Array<ArrayBuffer> {
    if (this.instances > 1) return new Float32Array(slices.reduce((sum, { rows }) => sum + rows, 0) * model.features);
    const needed = model.maxRows * model.features;
    if (this.scratch.length < needed) this.scratch = new Float32Array(needed);
    return this.scratch;
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
