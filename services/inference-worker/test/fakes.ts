import { fault, type InferOutcome } from '../src/domain/outcome.js';
import type { InferItem } from '../src/domain/lane.js';
import type { NamedTensor } from '../src/domain/named-tensor.js';
import {
  type LoadedModel,
  type LoadOutcome,
  ModelLoader,
  type ModelRun,
  type TensorsRun,
  WorkerObserver,
} from '../src/domain/ports.js';

/** Answers each row with its sum and its first cell: columns 2. Remembers the rows of every run and whether it was released. */
export class FakeModel implements LoadedModel {
  readonly inputName = 'input';
  readonly outputName = 'output';
  readonly inputs = [{ name: 'input', datatype: 'FP32', shape: [-1, 2] }];
  readonly outputs = [{ name: 'output', datatype: 'FP32', shape: [-1, 2] }];
  readonly notTabular = undefined;
  readonly columns = 2;
  readonly loadMs = 1;
  memoryBytes = 10;
  readonly runs: number[] = [];
  tensorRuns = 0;
  released = 0;
  failure: Error | undefined;
  onRun: () => void = () => undefined;

  constructor(
    readonly features = 2,
    readonly maxRows = 4,
  ) {}

  async run(input: Float32Array, rows: number): Promise<ModelRun> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.released > 0) throw new Error('run after release');
    this.runs.push(rows);
    this.onRun();
    if (this.failure !== undefined) throw this.failure;
    const output = new Float32Array(rows * 2);
    for (let row = 0; row < rows; row++) {
      const cells = input.subarray(row * this.features, (row + 1) * this.features);
      output[row * 2] = cells.reduce((sum, cell) => sum + cell, 0);
      output[row * 2 + 1] = cells[0]!;
    }
    return { output, tookUs: 5 };
  }

  /** Answers what it is given. */
  async runTensors(tensors: readonly NamedTensor[]): Promise<TensorsRun> {
    await new Promise((resolve) => setImmediate(resolve));
    this.onRun();
    if (this.failure !== undefined) throw this.failure;
    this.tensorRuns += 1;
    return { tensors, tookUs: 5 };
  }

  async release(): Promise<void> {
    this.released += 1;
  }
}

export class FakeLoader extends ModelLoader {
  readonly models = new Map<string, FakeModel>();
  readonly loads: string[] = [];

  add(sha256: string, model = new FakeModel()): FakeModel {
    this.models.set(sha256, model);
    return model;
  }

  override async load(sha256: string): Promise<LoadOutcome> {
    this.loads.push(sha256);
    await new Promise((resolve) => setImmediate(resolve));
    const model = this.models.get(sha256);
    return model === undefined ? fault('model-not-found', `no ${sha256}`) : { ok: true, model };
  }
}

export class RecordingObserver extends WorkerObserver {
  readonly results: string[] = [];
  readonly runRows: number[] = [];
  readonly waits: number[] = [];
  queued = 0;
  nonFiniteCells = 0;

  override answered(result: string): void {
    this.results.push(result);
  }

  override ran(rows: number): void {
    this.runRows.push(rows);
  }

  override waited(seconds: number): void {
    this.waits.push(seconds);
  }

  override queuedRows(rows: number): void {
    this.queued = rows;
  }

  override loaded(): void {}

  override modelsLoaded(): void {}

  override nonFinite(cells: number): void {
    this.nonFiniteCells += cells;
  }
}

/** An item and the promise of its answer. */
export function itemOf(
  cells: number[][],
  options: Partial<Pick<InferItem, 'expiresAtMs' | 'isAbandoned' | 'features' | 'input'>> = {},
): { item: InferItem; outcome: Promise<InferOutcome>; answers: InferOutcome[] } {
  const answers: InferOutcome[] = [];
  let resolve: (outcome: InferOutcome) => void = () => undefined;
  const outcome = new Promise<InferOutcome>((done) => (resolve = done));
  const input = Buffer.from(new Float32Array(cells.flat()).buffer);
  const item: InferItem = {
    rows: cells.length,
    features: cells[0]?.length ?? 2,
    input,
    expiresAtMs: Infinity,
    isAbandoned: () => false,
    answer: (answer) => {
      answers.push(answer);
      resolve(answer);
    },
    ...options,
  };
  return { item, outcome, answers };
}

/** The output of an answer as numbers; throws for a fault. */
export function numbersOf(outcome: InferOutcome): number[] {
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.message}`);
  return Array.from({ length: outcome.output.byteLength / 4 }, (_, i) => outcome.output.readFloatLE(i * 4));
}
