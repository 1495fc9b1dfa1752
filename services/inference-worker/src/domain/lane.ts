import { fault, type Fault, type InferOutcome } from './outcome.js';
import type { NamedTensor } from './named-tensor.js';
import type { LoadedModel } from './ports.js';

const float32Bytes = 4;

/** One batch of rows as it was asked for. */
export interface InferItem {
  readonly rows: number;
  readonly features: number;
  /** float32 little-endian, row-major [rows, features]; NaN = missing value. */
  readonly input: Uint8Array;
  /** Instead of features and input: its inputs by name. Such an item counts as its rows in the queue, and runs alone. */
  readonly tensors?: readonly NamedTensor[];
  /** With tensors: the outputs that are asked for; empty = all. */
  readonly outputNames?: readonly string[];
  /** On the scheduler's clock; Infinity = never. */
  readonly expiresAtMs: number;
  /** True = whoever asked is gone, the answer would go nowhere. */
  isAbandoned(): boolean;
  answer(outcome: InferOutcome): void;
}

interface Pending {
  readonly item: InferItem;
  /** On the scheduler's clock. */
  readonly addedMs: number;
  /** Rows that are in a run or behind one. */
  taken: number;
  scored: number;
  runUs: number;
  output: Buffer;
  failed: boolean;
}

/** Some rows of one item, in one run. */
export interface Slice {
  readonly pending: Pending;
  readonly firstRow: number;
  readonly rows: number;
}

/**
 * What waits for one model. An item with more rows than a run may have is cut over several, so that other models get their turns in between.
 * The host must be little-endian, as every platform of onnxruntime-node is: input and output bytes are copied, not converted.
 */
export class Lane {
  private readonly queue: Pending[] = [];
  private waitingRows = 0;

  constructor(readonly sha256: string) {}

  get queuedRows(): number {
    return this.waitingRows;
  }

  get isEmpty(): boolean {
    return this.queue.length === 0;
  }

  add(item: InferItem, nowMs: number): void {
    this.waitingRows += item.rows;
    this.queue.push({ item, addedMs: nowMs, taken: 0, scored: 0, runUs: 0, output: Buffer.alloc(0), failed: false });
  }

  /** The rows of the next run, oldest first; items that need no run (expired, abandoned, of a wrong shape, without rows) are answered and left out. Empty = nothing to run. */
  take(model: LoadedModel, nowMs: number): Slice[] {
    const slices: Slice[] = [];
    let room = model.maxRows;
    while (room > 0) {
      const pending = this.queue[0];
      if (pending === undefined) break;
      if (pending.failed || (pending.taken === 0 && !this.begin(pending, model, nowMs))) {
        this.dropFirst(pending);
        continue;
      }
      if (pending.item.tensors !== undefined) {
        if (slices.length === 0) slices.push(this.takeWhole(pending));
        break;
      }
      const rows = Math.min(room, pending.item.rows - pending.taken);
      slices.push({ pending, firstRow: pending.taken, rows });
      pending.taken += rows;
      this.waitingRows -= rows;
      room -= rows;
      if (pending.taken === pending.item.rows) this.queue.shift();
    }
    return slices;
  }

  private takeWhole(pending: Pending): Slice {
    this.queue.shift();
    this.waitingRows -= pending.item.rows;
    pending.taken = pending.item.rows;
    return { pending, firstRow: 0, rows: pending.item.rows };
  }

  /** Answers everything that waits with the same fault. */
  failAll(outcome: Fault): void {
    for (const { item } of this.queue) item.answer(outcome);
    this.queue.length = 0;
    this.waitingRows = 0;
  }

  private dropFirst(pending: Pending): void {
    this.queue.shift();
    this.waitingRows -= pending.item.rows - pending.taken;
  }

  /** False = answered, or nobody waits for an answer. */
  private begin(pending: Pending, model: LoadedModel, nowMs: number): boolean {
    const { item } = pending;
    if (item.isAbandoned()) return false;
    const refusal = refuse(item, model, nowMs, this.sha256);
    if (refusal !== undefined) {
      item.answer(refusal);
      return false;
    }
    if (item.tensors !== undefined) return true;
    pending.output = Buffer.allocUnsafe(item.rows * model.columns * float32Bytes);
    if (item.rows > 0) return true;
    item.answer({ ok: true, output: pending.output, columns: model.columns, runUs: 0 });
    return false;
  }
}

function refuse(item: InferItem, model: LoadedModel, nowMs: number, sha256: string): Fault | undefined {
  if (nowMs >= item.expiresAtMs) return fault('deadline', 'the batch waited for longer than its timeout_ms');
  if (item.tensors !== undefined) return undefined;
  if (model.notTabular !== undefined) return fault('bad-shape', model.notTabular);
  if (item.features !== model.features)
    return fault('bad-shape', `features: ${item.features}; model ${sha256} reads ${model.features}`);
  const bytes = item.rows * item.features * float32Bytes;
  if (item.input.byteLength !== bytes)
    return fault(
      'bad-shape',
      `input: ${item.input.byteLength} bytes; ${item.rows} rows of ${item.features} float32 are ${bytes}`,
    );
  return undefined;
}

/** Copies the rows of the slices one behind the other to the start of `target`, row-major [rows, features]; returns how many rows. */
export function gather(slices: readonly Slice[], features: number, target: Float32Array): number {
  const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
  const rowBytes = features * float32Bytes;
  let row = 0;
  for (const { pending, firstRow, rows } of slices) {
    const { input } = pending.item;
    bytes.set(input.subarray(firstRow * rowBytes, (firstRow + rows) * rowBytes), row * rowBytes);
    row += rows;
  }
  return row;
}

/** Gives every slice its part of a run's output, row-major [rows, columns], and answers the items that now have all of theirs. */
export function scatter(slices: readonly Slice[], columns: number, output: Float32Array, runUs: number): void {
  const bytes = new Uint8Array(output.buffer, output.byteOffset, output.byteLength);
  const rowBytes = columns * float32Bytes;
  let row = 0;
  for (const { pending, firstRow, rows } of slices) {
    pending.output.set(bytes.subarray(row * rowBytes, (row + rows) * rowBytes), firstRow * rowBytes);
    pending.scored += rows;
    pending.runUs = Math.max(pending.runUs, runUs);
    row += rows;
    if (pending.scored === pending.item.rows)
      pending.item.answer({ ok: true, output: pending.output, columns, runUs: Math.round(pending.runUs) });
  }
}

/** Answers the items of a run that failed; what is left of them is not run. */
export function failSlices(slices: readonly Slice[], outcome: Fault): void {
  for (const { pending } of slices) {
    if (pending.failed) continue; // by a run of other rows of it, at the same time
    pending.failed = true;
    pending.item.answer(outcome);
  }
}
