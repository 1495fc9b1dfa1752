import {
  FeatureStoreClient as Stub,
  FeatureStoreService,
  VectorsRequest,
  type VectorsResponse,
} from '#libs/contracts/generated/millrace/features/v1/features.js';
import { type ErrorCode, errorCodes, MillraceError } from '#libs/errors/millrace-error.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import type { GrpcTransportName } from '#libs/rpc/grpc-transport.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { type Tracing, tracingOff } from '#libs/telemetry/tracing.js';
import { float32View } from '#libs/tensors/tensor-codec.js';
import { LateRequest } from '../domain/late-request.js';
import { type Features, FeatureSource } from '../domain/ports.js';
import type { InferenceGatewayMetrics } from '../inference-gateway.metrics.js';
import { MultiplexedStream } from './multiplexed-stream.js';
import { startQuestionSpans } from './question-spans.js';
import { lastWanted, stillWanted, timeLeft } from './time-left.js';
import { TurnBatcher } from './turn-batcher.js';

interface Question {
  readonly featureService: string;
  readonly digest: string;
  readonly rows: readonly Uint8Array[];
  readonly trace: TraceContext | undefined;
  readonly untilMs: number;
  resolve(features: Features[]): void;
  reject(error: unknown): void;
}

const maxBatchRows = 1_000;
const waiting = 'while the request waited for the feature store';

/** Of no rows yet; who traces a question and how long it may take is said when it is asked. */
const noQuestion = VectorsRequest.create();

/** Features over one multiplexed stream; questions of one turn go out as one batch a feature service. A broken stream is tried once more. */
export class FeatureStoreClient extends FeatureSource {
  private readonly peer: Peer<Stub>;
  private readonly stream: MultiplexedStream<VectorsRequest, VectorsResponse>;
  private readonly batcher = new TurnBatcher<Question>((questions) => this.flush(questions));

  constructor(
    address: string,
    token: string,
    private readonly timeoutMs: number,
    private readonly metrics: InferenceGatewayMetrics,
    private readonly tracing: Tracing = tracingOff,
    transport: GrpcTransportName = 'grpc-js',
  ) {
    super();
    this.peer = new Peer(Stub, 'feature-store', address, token);
    this.stream = new MultiplexedStream('feature-store', () =>
      this.peer.openStream(FeatureStoreService.streamVectors, transport),
    );
  }

  override get(
    featureService: string,
    digest: string,
    rows: readonly Uint8Array[],
    trace?: TraceContext,
    untilMs = Number.POSITIVE_INFINITY,
  ): Promise<Features[]> {
    return new Promise((resolve, reject) =>
      this.batcher.add({ featureService, digest, rows, trace, untilMs, resolve, reject }),
    );
  }

  close(): void {
    this.stream.close();
    this.peer.close();
  }

  private flush(questions: readonly Question[]): void {
    for (const group of groups(stillWanted(questions, waiting)))
      this.ask(group).catch((error: unknown) => {
        for (const { reject } of group) reject(error);
      });
  }

  private async ask(group: readonly Question[]): Promise<void> {
    const { featureService, digest } = group[0]!;
    const rows = group.flatMap((question) => question.rows) as Buffer[];
    this.metrics.featureBatchRows.observe(rows.length);
    const answer = await this.askTraced(group, { ...noQuestion, featureService, rows }, lastWanted(group));
    if (answer.featureServiceDigest !== digest)
      throw new MillraceError(
        'failed-precondition',
        `feature service ${featureService} is now ${answer.featureServiceDigest.slice(0, 12)}, and the live version was trained on ${digest.slice(0, 12)}: train a new version`,
      );
    deliver(group, answer);
  }

  /** @throws MillraceError also where the store could not answer the batch */
  private async askTraced(
    group: readonly Question[],
    question: VectorsRequest,
    untilMs: number,
  ): Promise<VectorsResponse> {
    const spans = startQuestionSpans(this.tracing, FeatureStoreService.streamVectors.path, this.peer.address, group);
    try {
      const answer = await this.askTwice({ ...question, traceparents: spans.traceparents }, untilMs);
      if (answer.errorCode === 'deadline-exceeded' && Date.now() >= untilMs) throw new LateRequest(waiting);
      if (answer.errorCode !== '') throw new MillraceError(codeOf(answer.errorCode), answer.errorMessage);
      spans.end();
      return answer;
    } catch (error) {
      spans.end(error);
      throw error;
    }
  }

  /** Waited for as the setting says, whatever the callers allow: only so a store that is late tells itself from callers in a hurry. */
  private async askTwice(question: VectorsRequest, untilMs: number): Promise<VectorsResponse> {
    const ask = () =>
      this.stream.ask({ ...question, timeoutMs: timeLeft(untilMs, this.timeoutMs, waiting) }, this.timeoutMs);
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'unavailable') throw error;
      return ask();
    }
  }
}

/** By feature service, each within the bound of one question. */
function groups(questions: readonly Question[]): Question[][] {
  const made: { key: string; rows: number; questions: Question[] }[] = [];
  for (const question of questions) {
    const key = `${question.featureService} ${question.digest}`;
    const group = made.find(
      (candidate) => candidate.key === key && candidate.rows + question.rows.length <= maxBatchRows,
    );
    if (group === undefined) made.push({ key, rows: question.rows.length, questions: [question] });
    else {
      group.rows += question.rows.length;
      group.questions.push(question);
    }
  }
  return made.map(({ questions }) => questions);
}

/** A row that could not be read fails its own request, not the others of the batch. */
function deliver(group: readonly Question[], answer: VectorsResponse): void {
  const vectors = float32View(answer.vectors);
  const failed = new Map(answer.errors.map((error) => [error.row, error]));
  let first = 0;
  for (const { rows, resolve, reject } of group) {
    const from = first;
    first += rows.length;
    const bad =
      failed.size === 0 ? undefined : rows.map((_, i) => failed.get(from + i)).find((error) => error !== undefined);
    if (bad !== undefined) {
      reject(new MillraceError(codeOf(bad.code), `row ${bad.row - from}: ${bad.message}`));
      continue;
    }
    resolve(
      rows.map((_, i) => ({
        values: vectors.subarray((from + i) * answer.features, (from + i + 1) * answer.features),
        asOfMs: answer.asOfMs[from + i]!,
        snapshot: answer.positions,
      })),
    );
  }
}

function codeOf(code: string): ErrorCode {
  return code in errorCodes ? (code as ErrorCode) : 'unavailable';
}
