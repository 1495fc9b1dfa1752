import { encodeMessage } from '#libs/contracts/encode-message.js';
import {
  type Prediction,
  PredictionBlock,
  type PredictionRows,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { isLike, ownOf } from '#libs/contracts/prediction-rows.js';
import { float32Bytes } from '#libs/tensors/tensor-codec.js';
import type { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import type { RowIds, UnloggedRows } from '../domain/ports.js';
import type { InferenceGatewayMetrics } from '../inference-gateway.metrics.js';
import type { BlockTraces } from './block-traces.js';
import { countRows } from './count-log.js';
import { groupsOf, TurnBatcher } from './turn-batcher.js';

interface Waiting {
  readonly rows: UnloggedRows;
  resolve(ids: RowIds): void;
  reject(error: unknown): void;
}

/** Rows of whole vectors are packed: of so many, or of one larger request, a block is still small for one record of Kafka. */
const maxBlockRows = 4_000;

const nothingElse = PredictionBlock.create();

/** Rows that are kept in one piece a request, in blocks of their own: all that is ready in one turn is appended to the write-ahead log in one write. */
export class RowBlocks {
  private readonly batcher = new TurnBatcher<Waiting>((waiting) => {
    for (const group of groupsOf(waiting, ({ rows }) => rows.rows, maxBlockRows)) this.write(group);
  });

  constructor(
    private readonly wal: WriteAheadLog,
    private readonly metrics: InferenceGatewayMetrics,
    private readonly traces: BlockTraces | undefined,
  ) {}

  keep(rows: UnloggedRows): Promise<RowIds> {
    return new Promise((resolve, reject) => this.batcher.add({ rows, resolve, reject }));
  }

  private write(waiting: readonly Waiting[]): void {
    const sequence = this.wal.nextSequence;
    const block = `${this.wal.id}-${sequence}`;
    const requests = waiting.map((one) => one.rows);
    this.traces?.keep(sequence, requests);
    const { rows, firsts } = packed(requests);
    this.wal.append(encodeMessage(PredictionBlock, { ...nothingElse, walId: this.wal.id, sequence, rows })).then(
      () => {
        const nowMs = performance.now();
        countRows(this.metrics, requests, nowMs);
        for (const [i, one] of waiting.entries()) one.resolve({ block, first: firsts[i]! });
      },
      (error: unknown) => {
        for (const one of waiting) {
          this.metrics.unkeptPredictions.inc(one.rows.rows);
          one.reject(error);
        }
      },
    );
  }
}

/** @returns as they are written, each with no more than it does not share with one before it, and the number of the first row of each in its block */
function packed(requests: readonly UnloggedRows[]): { rows: PredictionRows[]; firsts: number[] } {
  const [nowMs, answeredAtMs] = [performance.now(), Date.now()];
  const firsts: number[] = [];
  let next = 0;
  let whole: { shared: Prediction; number: number } | undefined;
  const rows = requests.map(({ shared, rows: count, features, outputs: scores, startedMs }, i): PredictionRows => {
    const first = next;
    firsts.push(first);
    next += count;
    shared.answeredAtMs = answeredAtMs;
    shared.latencyUs = Math.round((nowMs - startedMs) * 1_000);
    const outputs = float32Bytes(scores);
    if (whole !== undefined && isLike(shared, whole.shared))
      return { shared: ownOf(shared), first, rows: count, features, outputs, like: whole.number };
    whole = { shared, number: i + 1 };
    return { shared, first, rows: count, features, outputs, like: 0 };
  });
  return { rows, firsts };
}
