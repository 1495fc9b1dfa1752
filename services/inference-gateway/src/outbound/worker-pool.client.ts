import CircuitBreaker from 'opossum';
import type { InferBatch, InferResult } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { InferenceWorkerClient } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { type ErrorCode, MillraceError } from '#libs/errors/millrace-error.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { float32Bytes, float32View } from '#libs/tensors/tensor-codec.js';
import { ModelRunner } from '../domain/ports.js';
import { MultiplexedStream } from './multiplexed-stream.js';
import { TurnBatcher } from './turn-batcher.js';

interface Question {
  readonly onnxSha256: string;
  readonly rows: number;
  readonly input: Float32Array;
  resolve(scores: Float32Array): void;
  reject(error: unknown): void;
}

type Batch = Omit<InferBatch, 'batchId'>;

/** One worker: its stream, and a breaker that stops asking while it fails. A wrong question is not a failure of the worker. */
class Worker {
  readonly peer: Peer<InferenceWorkerClient>;
  readonly stream: MultiplexedStream<InferBatch, InferResult>;
  readonly breaker: CircuitBreaker<[Batch], InferResult>;

  constructor(address: string, token: string, timeoutMs: number) {
    const name = `inference-worker ${address}`;
    this.peer = new Peer(InferenceWorkerClient, name, address, token);
    this.stream = new MultiplexedStream(name, () => this.peer.stub.infer(this.peer.metadata));
    this.breaker = new CircuitBreaker(async (batch: Batch) => checked(await this.stream.ask(batch, timeoutMs)), {
      timeout: false, // the stream bounds every question by itself
      volumeThreshold: 5,
      errorThresholdPercentage: 50,
      resetTimeout: 500,
      rollingCountTimeout: 5_000,
      errorFilter: (error: unknown) =>
        error instanceof MillraceError && !['unavailable', 'deadline-exceeded'].includes(error.code),
    });
  }
}

const codes: Record<string, ErrorCode> = {
  'model-not-found': 'unavailable',
  'hash-mismatch': 'internal',
  'bad-shape': 'internal',
  deadline: 'deadline-exceeded',
  overloaded: 'resource-exhausted',
  'run-failed': 'internal',
};

function checked(result: InferResult): InferResult {
  if (result.errorCode === '') return result;
  throw new MillraceError(codes[result.errorCode] ?? 'internal', `inference-worker: ${result.errorMessage}`);
}

/** Scores over one stream a worker; questions of one turn go out as one batch a model, to the worker with the least in flight. A batch that a worker could not take goes to another once. */
export class WorkerPoolClient extends ModelRunner {
  private readonly workers: Worker[];
  private readonly batcher = new TurnBatcher<Question>((questions) => this.flush(questions));

  constructor(
    addresses: readonly string[],
    token: string,
    private readonly timeoutMs: number,
  ) {
    super();
    this.workers = addresses.map((address) => new Worker(address, token, timeoutMs));
  }

  override run(onnxSha256: string, rows: number, input: Float32Array): Promise<Float32Array> {
    return new Promise((resolve, reject) => this.batcher.add({ onnxSha256, rows, input, resolve, reject }));
  }

  override async prepare(onnxSha256: string, features: number): Promise<void> {
    const outcomes = await Promise.allSettled(
      this.workers.map(({ peer }) => peer.call((stub) => stub.prepare, { onnxSha256, features }, 30_000)),
    );
    if (outcomes.every((outcome) => outcome.status === 'rejected')) throw (outcomes[0] as PromiseRejectedResult).reason;
  }

  close(): void {
    for (const { stream, breaker, peer } of this.workers) {
      breaker.shutdown();
      stream.close();
      peer.close();
    }
  }

  private flush(questions: readonly Question[]): void {
    const groups = new Map<string, Question[]>();
    for (const question of questions)
      groups.set(question.onnxSha256, [...(groups.get(question.onnxSha256) ?? []), question]);
    for (const group of groups.values())
      this.ask(group).catch((error: unknown) => {
        for (const { reject } of group) reject(error);
      });
  }

  private async ask(group: readonly Question[]): Promise<void> {
    const rows = group.reduce((sum, question) => sum + question.rows, 0);
    const input = joined(group);
    const result = await this.fire({
      onnxSha256: group[0]!.onnxSha256,
      rows,
      features: input.length / rows,
      input: float32Bytes(input),
      timeoutMs: this.timeoutMs,
    });
    const output = float32View(result.output);
    let first = 0;
    for (const question of group) {
      // Of a binary model's [P(0), P(1)] the last column is the score; a regression has one column.
      const from = first;
      question.resolve(
        Float32Array.from({ length: question.rows }, (_, i) => output[(from + i + 1) * result.columns - 1]!),
      );
      first += question.rows;
    }
  }

  private async fire(batch: Batch): Promise<InferResult> {
    const [first, second] = this.byLoad();
    try {
      return await first!.breaker.fire(batch);
    } catch (error) {
      if (error instanceof MillraceError && error.code !== 'unavailable') throw error;
      if (second === undefined && first!.breaker.opened) throw unavailable(error);
      return (second ?? first!).breaker.fire(batch).catch((again: unknown) => {
        throw unavailable(again);
      });
    }
  }

  private byLoad(): Worker[] {
    const closed = this.workers.filter(({ breaker }) => !breaker.opened);
    return (closed.length > 0 ? closed : this.workers).toSorted((a, b) => a.stream.inFlight - b.stream.inFlight);
  }
}

/** The breaker's own refusal has no code of ours. */
function unavailable(error: unknown): MillraceError {
  return error instanceof MillraceError
    ? error
    : new MillraceError('unavailable', 'no inference worker answers', { cause: error });
}

function joined(group: readonly Question[]): Float32Array {
  if (group.length === 1) return group[0]!.input;
  const input = new Float32Array(group.reduce((sum, question) => sum + question.input.length, 0));
  let at = 0;
  for (const question of group) {
    input.set(question.input, at);
    at += question.input.length;
  }
  return input;
}
