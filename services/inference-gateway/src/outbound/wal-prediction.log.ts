import { encodeMessage } from '#libs/contracts/encode-message.js';
import { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import type { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import {
  type Notes,
  PredictionLog,
  type RowIds,
  type Snapshot,
  type Unlogged,
  type UnloggedRows,
} from '../domain/ports.js';
import { samplePayload } from '../domain/payload-sample.js';
import type { InferenceGatewayMetrics } from '../inference-gateway.metrics.js';
import type { BlockTraces } from './block-traces.js';
import { countAnswer, countNotes } from './count-log.js';
import { NoteBlocks } from './note-blocks.js';
import { RowBlocks } from './row-blocks.js';
import { groupsOf, TurnBatcher } from './turn-batcher.js';

interface Waiting {
  readonly predictions: readonly Unlogged[];
  resolve(ids: string[]): void;
  reject(error: unknown): void;
}

/** A block is one record of Kafka: of more rows than this, or of one larger request, it becomes several. */
const maxBlockRows = 1_000;

/** Everything that is ready in one turn becomes one block, appended to the write-ahead log in one write; only then is it answered. Notes follow in blocks of their own. */
export class WalPredictionLog extends PredictionLog {
  private readonly batcher = new TurnBatcher<Waiting>((waiting) => this.flush(waiting));

  private readonly notes: NoteBlocks;
  private readonly rows: RowBlocks;

  constructor(
    private readonly wal: WriteAheadLog,
    private readonly metrics: InferenceGatewayMetrics,
    private readonly traces?: BlockTraces,
  ) {
    super();
    this.rows = new RowBlocks(wal, metrics, traces);
    this.notes = new NoteBlocks(wal, (unkept) => metrics.unkeptNotes.inc(unkept));
  }

  override keep(predictions: readonly Unlogged[]): Promise<string[]> {
    return new Promise((resolve, reject) => this.batcher.add({ predictions, resolve, reject }));
  }

  override keepRows(rows: UnloggedRows): Promise<RowIds> {
    return this.rows.keep(rows);
  }

  override note(notes: Notes): void {
    countNotes(this.metrics, notes);
    this.notes.add(notes);
  }

  /** Writes the notes that still linger. */
  async close(): Promise<void> {
    await this.notes.flush();
  }

  private flush(waiting: readonly Waiting[]): void {
    for (const group of groupsOf(waiting, ({ predictions }) => predictions.length, maxBlockRows)) this.write(group);
  }

  private write(waiting: readonly Waiting[]): void {
    const { block, ids } = this.block(waiting.flatMap(({ predictions }) => predictions));
    this.wal.append(encodeMessage(PredictionBlock, block)).then(
      () => {
        const nowMs = performance.now();
        let first = 0;
        for (const { predictions, resolve } of waiting) {
          countAnswer(this.metrics, predictions, nowMs);
          resolve(ids.slice(first, (first += predictions.length)));
        }
      },
      (error: unknown) => {
        for (const { predictions, reject } of waiting) {
          this.metrics.unkeptPredictions.inc(predictions.length);
          reject(error);
        }
      },
    );
  }

  private block(unlogged: readonly Unlogged[]): { block: PredictionBlock; ids: string[] } {
    const sequence = this.wal.nextSequence;
    const snapshots = new Map<Snapshot, number>();
    const [nowMs, wallMs] = [performance.now(), Date.now()];
    this.traces?.keep(sequence, unlogged);
    const predictions = unlogged.map(({ prediction, snapshot, startedMs, payloadShare }, i) => {
      if (!snapshots.has(snapshot)) snapshots.set(snapshot, snapshots.size);
      prediction.predictionId = `${this.wal.id}-${sequence}-${i}`;
      prediction.snapshot = snapshots.get(snapshot)!;
      prediction.answeredAtMs = wallMs;
      prediction.latencyUs = Math.round((nowMs - startedMs) * 1_000);
      if (payloadShare !== undefined) samplePayload(prediction, payloadShare);
      return prediction;
    });
    const block = {
      walId: this.wal.id,
      sequence,
      predictions,
      snapshots: [...snapshots.keys()].map((positions) => ({ positions: [...positions] })),
      shadows: [],
      failures: [],
      unmirrored: [],
      feedback: [],
      rows: [],
    };
    return { block, ids: predictions.map(({ predictionId }) => predictionId) };
  }
}
