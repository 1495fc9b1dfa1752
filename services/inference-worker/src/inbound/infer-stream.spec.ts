import { Duplex } from 'node:stream';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { InferBatch, type InferResult } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { FakeExplainer, RecordingExplanations } from '../../test/explaining-fakes.js';
import { FakeLoader, FakeModel, RecordingObserver } from '../../test/fakes.js';
import { BatchScheduler } from '../domain/batch-scheduler.js';
import { Explanations } from '../domain/explanations.js';
import { ModelPool } from '../domain/model-pool.js';
import { InferStream } from './infer-stream.js';

/** The server's end of a stream whose peer takes results only when `readOne` says so. */
class FakeCall extends Duplex {
  readonly results: InferResult[] = [];
  private takeNext: (() => void) | undefined;

  constructor() {
    super({ objectMode: true, readableHighWaterMark: 1, writableHighWaterMark: 2, autoDestroy: false });
  }

  override _read(): void {}

  override _write(result: InferResult, _encoding: string, taken: () => void): void {
    this.takeNext = () => {
      this.takeNext = undefined;
      this.results.push(result);
      taken();
    };
  }

  readOne(): void {
    this.takeNext?.();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await turn();
};
const batch = (batchId: number, fields: Partial<InferBatch> = {}): InferBatch =>
  InferBatch.fromPartial({
    batchId,
    onnxSha256: 'm',
    rows: 1,
    features: 2,
    input: Buffer.from(new Float32Array([batchId, 1]).buffer),
    ...fields,
  });

describe('InferStream', () => {
  let model: FakeModel;
  let observer: RecordingObserver;
  let call: FakeCall;
  let nowMs: number;
  let explainer: FakeExplainer;
  let infers: InferStream;

  beforeEach(() => {
    nowMs = 0;
    explainer = new FakeExplainer();
    const loader = new FakeLoader();
    model = loader.add('m', new FakeModel(2, 64));
    observer = new RecordingObserver();
    const pool = new ModelPool(loader, { maxModels: 4, maxBytes: Infinity }, observer, () => nowMs);
    const scheduler = new BatchScheduler(pool, 1_000, observer, () => nowMs);
    call = new FakeCall();
    infers = new InferStream(
      call as unknown as ServerDuplexStream<InferBatch, InferResult>,
      scheduler,
      new Explanations(scheduler, explainer, 100, new RecordingExplanations(), () => nowMs),
      observer,
      () => nowMs,
    );
  });

  it('answers contributions where a batch asks for them, as float64', async () => {
    call.push(batch(1, { explain: true, backgroundSha256: 'b' }));
    await turns(8);
    explainer.finish();
    await turns(2);
    call.readOne();
    const [result] = call.results;
    expect(result).toMatchObject({ batchId: 1, errorCode: '', baseValue: 0.5, explainedBy: 'tree-shap', columns: 2 });
    expect(result!.contributions.readDoubleLE(8)).toBe(Buffer.from(batch(1).input).readFloatLE(4));
    call.push(batch(2));
    await turns(8);
    call.readOne();
    expect(call.results[1]).toMatchObject({ batchId: 2, contributions: Buffer.alloc(0), explainedBy: '' });
  });

  it('answers by batch_id, and counts the answers', async () => {
    call.push(batch(7));
    call.push(batch(8, { features: 3 }));
    await turns(8);
    call.readOne();
    call.readOne();
    await turns(2);
    const codes = new Map(call.results.map(({ batchId, errorCode }) => [batchId, errorCode]));
    expect(codes).toEqual(
      new Map([
        [7, ''],
        [8, 'bad-shape'],
      ]),
    ); // both, in any order
    expect([...observer.results].sort()).toEqual(['bad-shape', 'ok']);
  });

  it('counts timeout_ms from the arrival of the batch', async () => {
    call.push(batch(1, { timeoutMs: 10 }));
    await turn();
    nowMs = 10;
    await turns(8);
    call.readOne();
    expect(call.results).toMatchObject([{ batchId: 1, errorCode: 'deadline', output: Buffer.alloc(0) }]);
  });

  it('counts what a batch waited on the way too: what lay in the sockets of a worker that was stopped is dropped unrun', async () => {
    call.push(batch(1, { timeoutMs: 10, sentAtMs: 7_000 }));
    await turns(8);
    call.readOne();
    nowMs = 500;
    call.push(batch(2, { timeoutMs: 100, sentAtMs: 7_050 }));
    call.push(batch(3, { timeoutMs: 100, sentAtMs: 7_495 }));
    await turns(8);
    call.readOne();
    call.readOne();
    await turns(2);
    const codes = call.results.map(({ batchId, errorCode }) => `${batchId} ${errorCode}`);
    expect(codes.toSorted()).toEqual(['1 ', '2 deadline', '3 ']);
    expect(model.runs).toEqual([1, 1]);
  });

  it('does not read from a gateway that does not read its results, and goes on when it does', async () => {
    for (let id = 1; id <= 3; id++) call.push(batch(id));
    await turns(10);
    expect(call.isPaused()).toBe(true);
    call.push(batch(4));
    await turns(10);
    expect(model.runs.reduce((sum, rows) => sum + rows, 0)).toBe(3);
    for (let i = 0; i < 4; i++) {
      call.readOne();
      await turns(10);
    }
    expect(call.isPaused()).toBe(false);
    expect(call.results.map(({ batchId }) => batchId)).toEqual([1, 2, 3, 4]);
  });

  it('ends a half-closed stream after its last result', async () => {
    call.push(batch(1));
    call.push(null);
    await turn();
    expect(call.writableEnded).toBe(false);
    await turns(8);
    expect(call.writableEnded).toBe(true);
  });

  it('that is to stop tells the gateway first, answers what still comes, and is over when that has half-closed', async () => {
    call.push(batch(1));
    let over = false;
    void infers.drain().then(() => (over = true));
    call.push(batch(2));
    await turns(8);
    for (let i = 0; i < 3; i++) {
      call.readOne();
      await turns(2);
    }
    expect(call.results.map(({ batchId, errorCode }) => `${batchId} ${errorCode}`)).toEqual(['0 draining', '1 ', '2 ']);
    expect(over).toBe(false);
    call.push(null);
    await turns(8);
    expect([over, call.writableEnded]).toEqual([true, true]);
  });

  it('does not run what a gateway that is gone has asked', async () => {
    call.push(batch(1));
    await turn();
    call.emit('cancelled');
    await turns(8);
    expect(model.runs).toEqual([]);
    expect(observer.queued).toBe(0);
  });
});
