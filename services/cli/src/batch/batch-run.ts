import { existsSync, statSync } from 'node:fs';
import { type AskTogether, askRows, tooManyRejected } from '../domain/batch/ask-rows.js';
import type { BatchPlan } from '../domain/batch/batch-plan.js';
import { advanced, type BatchProgress, type DoneChunk } from '../domain/batch/batch-progress.js';
import { maxRowBytes } from '../domain/batch/input-row.js';
import { outputRows, rejectionLine } from '../domain/batch/output-rows.js';
import { type Chunk, prepareChunks } from '../domain/batch/prepare-chunks.js';
import type { BatchInput } from './batch-input.js';
import { DurableFile } from './durable-file.js';
import type { RunFolder } from './run-folder.js';
import type { ScoresSink } from './scores-sink.js';
import { Slots } from './slots.js';

export interface BatchRunParts {
  readonly folder: RunFolder;
  readonly plan: BatchPlan;
  readonly input: BatchInput;
  readonly sink: ScoresSink;
  /** Asks with retries. @param id of the request */
  readonly ask: (id: string) => AskTogether;
  readonly concurrency: number;
  readonly maxErrors: number;
  readonly onProgress: (progress: BatchProgress) => void;
}

interface Pending {
  readonly done: Promise<DoneChunk>;
  isSettled: boolean;
}

/**
 * The way of a run: rows -> chunks -> asked, several at a time -> written in the input's order -> written down as done. A chunk counts when its rows are on the disk and the progress
 * says so; after a kill at any moment what was not written down is cut off and asked again.
 */
export class BatchRun {
  private progress: BatchProgress;
  private readonly slots: Slots;

  constructor(private readonly parts: BatchRunParts) {
    this.progress = parts.folder.progress();
    this.slots = new Slots(parts.concurrency);
  }

  /** @throws MillraceError; what was done until then is kept */
  async run(): Promise<BatchProgress> {
    const { sink, input, folder } = this.parts;
    if (!isMoved(sink, this.progress)) await this.writeAll();
    input.checkUnchanged();
    await sink.finish(this.progress);
    await this.save({ ...this.progress, endedAt: new Date().toISOString() });
    sink.tidy(folder);
    return this.progress;
  }

  private async writeAll(): Promise<void> {
    const { plan, input, sink } = this.parts;
    const scores = await DurableFile.open(sink.scoresPath, this.progress.outputBytes);
    const rejected = await DurableFile.open(sink.rejectedPath, this.progress.rejectedBytes);
    const bounds = { rows: plan.order.rowsPerRequest, bytes: maxRowBytes };
    const { place, chunk } = this.progress;
    const width = plan.width === 0 ? undefined : plan.width;
    const window: Pending[] = [];
    try {
      await this.writeHeader(scores);
      for await (const one of prepareChunks(input.rows(place), plan.columns, bounds, { place, chunk }, width)) {
        window.push(this.begin(one));
        // Twice as many as are asked at a time: a slow one does not keep the others waiting behind it.
        while (window.length >= 2 * this.parts.concurrency) await this.write(window, scores, rejected);
      }
      while (window.length > 0) await this.write(window, scores, rejected);
      await this.insertDue(true);
    } finally {
      await Promise.all([scores.close(), rejected.close()]);
    }
  }

  private begin(chunk: Chunk): Pending {
    const { ask, folder, maxErrors } = this.parts;
    const together = ask(`${folder.runId}/${chunk.number}`);
    const done = this.slots.run(async () => ({ chunk, ...(await askRows(chunk.rows, together, maxErrors)) }));
    const pending: Pending = { done, isSettled: false };
    const settle = (): void => {
      pending.isSettled = true;
    };
    done.then(settle, settle); // who writes it sees what it broke with
    return pending;
  }

  private async writeHeader(scores: DurableFile): Promise<void> {
    if (scores.length > 0) return;
    await scores.append(this.lines().header);
    await this.save({ ...this.progress, outputBytes: scores.length });
  }

  /** Waits for the first, and writes it with all behind it that are there already: what a disk takes its time for is one write for many. */
  private async write(window: Pending[], scores: DurableFile, rejected: DurableFile): Promise<void> {
    const done = [await window[0]!.done];
    window.shift();
    while (window[0]?.isSettled === true) done.push(await window.shift()!.done);
    this.checkRejected(done);
    const lines = this.lines();
    await scores.append(done.flatMap(({ answered }) => answered.map(lines.line)).join(''));
    await rejected.append(done.flatMap(rejectionsOf).map(rejectionLine).join(''));
    await this.save(advanced(this.progress, done, { outputBytes: scores.length, rejectedBytes: rejected.length }));
    await this.insertDue(false);
    this.parts.onProgress(this.progress);
  }

  private async insertDue(atEnd: boolean): Promise<void> {
    await this.parts.sink.insertDue(this.progress, atEnd, (progress) => this.save(progress));
  }

  private checkRejected(done: readonly DoneChunk[]): void {
    const { maxErrors } = this.parts;
    const rejections = done.flatMap(rejectionsOf);
    const allowed = maxErrors - this.progress.rejected;
    if (rejections.length > allowed) throw tooManyRejected(maxErrors, rejections[Math.max(0, allowed)]!);
  }

  private lines(): ReturnType<typeof outputRows> {
    const { plan, sink } = this.parts;
    return outputRows(sink.format, plan.columns, plan.inputs.score, sink.sameInAll);
  }

  private async save(progress: BatchProgress): Promise<void> {
    await this.parts.folder.writeProgress(progress);
    this.progress = progress;
  }
}

/** By their rows. */
function rejectionsOf({ chunk, rejected }: DoneChunk): DoneChunk['rejected'][number][] {
  return [...chunk.rejections, ...rejected].sort((a, b) => a.row - b.row);
}

/** Whether a run was killed after its output had got its name, and before it was written down that it has ended. */
function isMoved({ scoresPath, finalPath }: ScoresSink, { outputBytes }: BatchProgress): boolean {
  if (finalPath === undefined || existsSync(scoresPath) || !existsSync(finalPath)) return false;
  return statSync(finalPath).size === outputBytes;
}
