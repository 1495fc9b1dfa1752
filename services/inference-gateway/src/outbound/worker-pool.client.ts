import {
  InferBatch,
  InferenceWorkerService,
  type InferResult,
  type PrepareResponse,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { GrpcTransportName } from '#libs/rpc/grpc-transport.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { type Tracing, tracingOff } from '#libs/telemetry/tracing.js';
import { float32Bytes, float32View } from '#libs/tensors/tensor-codec.js';
import { CandidateLosses } from '../domain/candidate-losses.js';
import { type Explanation, type ExplanationQuestion, ModelRunner, type RunLane } from '../domain/ports.js';
import { WorkerAway } from '../domain/worker-away.js';
import { askExplanation } from './ask-explanation.js';
import type { Signature } from '../domain/tensor-endpoint.js';
import { startQuestionSpans } from './question-spans.js';
import { lastWanted, stillWanted, timeLeft } from './time-left.js';
import { TurnBatcher } from './turn-batcher.js';
import { checked, waiting, Worker } from './worker.js';

interface Question {
  readonly onnxSha256: string;
  readonly rows: number;
  readonly input: Float32Array;
  readonly lane: RunLane;
  readonly trace: TraceContext | undefined;
  readonly untilMs: number;
  resolve(scores: Float32Array): void;
  reject(error: unknown): void;
}

/** Of no rows and no model yet; who traces a batch and how long it may take is said when it is asked. */
const noBatch = InferBatch.create();

/** Asked before one that is about to stop; and that one before none. */
const leftRank = 2e9;

/** Scores over one stream a worker; questions of one turn go out as one batch a model and lane, to the worker with the least in flight. A batch that a worker could not take goes to another once. */
export class WorkerPoolClient extends ModelRunner {
  private readonly workers: Worker[];
  private readonly losses = new CandidateLosses();
  private readonly batcher = new TurnBatcher<Question>((questions) => this.flush(questions));

  constructor(
    addresses: readonly string[],
    token: string,
    private readonly timeoutMs: number,
    private readonly tracing: Tracing = tracingOff,
    private readonly explainTimeoutMs = 10_000,
    transport: GrpcTransportName = 'grpc-js',
  ) {
    super();
    this.workers = addresses.map((address) => new Worker(address, token, timeoutMs, this.losses, transport));
  }

  override run(
    onnxSha256: string,
    rows: number,
    input: Float32Array,
    lane: RunLane,
    trace?: TraceContext,
    untilMs = Number.POSITIVE_INFINITY,
  ): Promise<Float32Array> {
    return new Promise((resolve, reject) =>
      this.batcher.add({ onnxSha256, rows, input, lane, trace, untilMs, resolve, reject }),
    );
  }

  override async prepare(onnxSha256: string, features: number): Promise<void> {
    await this.prepareAll(onnxSha256, features);
  }

  /** What a model of any kind takes and gives, once a worker has loaded it. */
  async signatureOf(onnxSha256: string): Promise<Signature> {
    const { inputs, outputs } = await this.prepareAll(onnxSha256, 0);
    return { inputs, outputs };
  }

  /** A batch of one request, alone: tensors of a model of any kind are not joined with others. */
  runTensors(
    { onnxSha256, tensors, outputNames }: Pick<InferBatch, 'onnxSha256' | 'tensors' | 'outputNames'>,
    lane: RunLane,
    trace: TraceContext | undefined,
    untilMs = Number.POSITIVE_INFINITY,
  ): Promise<InferResult> {
    return this.fireTraced([{ trace, untilMs }], lane, { ...noBatch, rows: 1, onnxSha256, tensors, outputNames });
  }

  private async prepareAll(onnxSha256: string, features: number): Promise<PrepareResponse> {
    const outcomes = await Promise.allSettled(
      this.workers.map(({ peer }) => peer.call((stub) => stub.prepare, { onnxSha256, features }, 30_000)),
    );
    if (outcomes.every((outcome) => outcome.status === 'rejected')) throw (outcomes[0] as PromiseRejectedResult).reason;
    return outcomes.find((outcome) => outcome.status === 'fulfilled')!.value;
  }

  override async explain(question: ExplanationQuestion): Promise<Explanation> {
    const timeoutMs = timeLeft(question.untilMs, this.explainTimeoutMs, 'before the rows were explained');
    const spans = startQuestionSpans(this.tracing, InferenceWorkerService.infer.path, undefined, [question]);
    const asks = this.byLoad('live').map(
      ({ stream }) =>
        async (batch: InferBatch, timeoutMs: number) =>
          checked(await stream.ask(batch, timeoutMs), false),
    );
    try {
      const explanation = await askExplanation(asks, question, timeoutMs, spans.traceparents);
      spans.end();
      return explanation;
    } catch (error) {
      spans.end(error);
      throw error;
    }
  }

  close(): void {
    for (const { stream, breakers, peer } of this.workers) {
      breakers.live.shutdown();
      breakers.canary.shutdown();
      stream.close();
      peer.close();
    }
  }

  private flush(questions: readonly Question[]): void {
    const groups = new Map<string, Question[]>();
    for (const question of stillWanted(questions, waiting)) {
      const { onnxSha256, lane } = question;
      const key = lane === 'live' ? onnxSha256 : `${lane} ${onnxSha256}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [question]);
      else group.push(question);
    }
    for (const group of groups.values())
      this.ask(group).catch((error: unknown) => {
        for (const { reject } of group) reject(error);
      });
  }

  private async ask(group: readonly Question[]): Promise<void> {
    const rows = group.reduce((sum, question) => sum + question.rows, 0);
    const input = joined(group);
    const { onnxSha256, lane } = group[0]!;
    const features = input.length / rows;
    const batch = { ...noBatch, onnxSha256, rows, features, input: float32Bytes(input) };
    const result = await this.fireTraced(group, lane, batch);
    const output = float32View(result.output);
    let first = 0;
    for (const question of group) {
      question.resolve(lastColumn(output, result.columns, first, question.rows));
      first += question.rows;
    }
  }

  /** A batch that goes to another worker is one span still: what its requests waited for. */
  private async fireTraced(
    group: readonly Pick<Question, 'trace' | 'untilMs'>[],
    lane: RunLane,
    batch: InferBatch,
  ): Promise<InferResult> {
    const address = this.workers.length === 1 ? this.workers[0]!.peer.address : undefined;
    const spans = startQuestionSpans(this.tracing, InferenceWorkerService.infer.path, address, group);
    try {
      const result = await this.fire(lane, { ...batch, traceparents: spans.traceparents }, lastWanted(group));
      spans.end();
      return result;
    } catch (error) {
      spans.end(error);
      throw error;
    }
  }

  private fire(lane: RunLane, batch: InferBatch, untilMs: number): Promise<InferResult> {
    const timed = (): InferBatch => ({ ...batch, timeoutMs: timeLeft(untilMs, this.timeoutMs, waiting) });
    return lane === 'live' ? this.fireAt(lane, timed) : this.fireTried(lane, timed);
  }

  /** Of a model that is tried: it may be what workers go away of. */
  private async fireTried(lane: 'canary' | 'shadow', timed: () => InferBatch): Promise<InferResult> {
    const batch = timed();
    this.losses.refuse(batch.onnxSha256);
    try {
      return await (lane === 'shadow' ? this.byLoad('live')[0]!.askTried(batch) : this.fireAt(lane, timed));
    } catch (error) {
      throw this.losses.blame(batch.onnxSha256, error);
    }
  }

  /** @param timed the batch with what is left of its time, each time that it is sent */
  private async fireAt(lane: 'live' | 'canary', timed: () => InferBatch): Promise<InferResult> {
    const [first, second = first!] = this.byLoad(lane);
    try {
      return await first!.breakers[lane].fire(timed());
    } catch (error) {
      if (error instanceof MillraceError && error.code !== 'unavailable') throw error;
      // What a candidate may have killed one worker with is not shown to the next.
      if (lane === 'canary' && error instanceof WorkerAway && error.hadQuestion) throw error;
      const other = second.breakers[lane];
      if (second === first && other.opened) throw second.refused(lane, error);
      // A worker whose breaker is still open may be back already, and nobody else is left to ask.
      const ask = lane === 'live' ? second.ask : second.askTried;
      return (other.opened ? ask(timed()) : other.fire(timed())).catch((again: unknown) => {
        throw second.refused(lane, again);
      });
    }
  }

  /** Those that stay first, of these those whose breaker is closed, of these the one with the least in flight. */
  private byLoad(lane: 'live' | 'canary'): Worker[] {
    if (this.workers.length === 1) return this.workers;
    const rank = ({ breakers, stream, isLeft }: Worker): number =>
      (isLeft ? leftRank : 0) + (breakers[lane].opened ? 1e9 : 0) + stream.inFlight;
    return this.workers.toSorted((a, b) => rank(a) - rank(b));
  }
}

/** Of a binary model's [P(0), P(1)] the last column is the score; a regression has one column. @returns float32 [rows], of so many rows from `first` on */
function lastColumn(output: Float32Array, columns: number, first: number, rows: number): Float32Array {
  const scores = new Float32Array(rows);
  for (let i = 0; i < rows; i++) scores[i] = output[(first + i + 1) * columns - 1]!;
  return scores;
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
