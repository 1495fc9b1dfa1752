import type { ServerDuplexStream } from '@grpc/grpc-js';
import {
  type BuildDatasetProgress,
  type BuildDatasetRequest,
  FeatureStoreService,
  type GetWatermarksRequest,
  type GetWatermarksResponse,
  type StreamPosition,
  type VectorsRequest,
  VectorsResponse,
  type VerifyVectorsRequest,
  type VerifyVectorsResponse,
} from '#libs/contracts/generated/millrace/features/v1/features.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { TransitClock } from '#libs/rpc/transit-clock.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { Catalog } from '../domain/catalog.js';
import type { EntityCache } from '../domain/entity-cache.js';
import type { OnlineStore } from '../domain/ports.js';
import {
  partitions,
  serveVectors,
  standing,
  streamUnit,
  type StreamStanding,
  type VectorsAnswer,
  type VectorsQuestion,
} from '../domain/serve-vectors.js';
import type { FeatureStoreMetrics } from '../feature-store.metrics.js';
import type { DatasetBuilder } from '../outbound/dataset.builder.js';
import type { VectorVerifier } from '../outbound/vector.verifier.js';

const maxRows = 1_000;

/** The questions that the store answers. */
export class FeatureStoreGrpc {
  private waiting: {
    question: VectorsQuestion;
    /** Epoch ms; Infinity = never. */
    expiresAtMs: number;
    resolve: (answer: VectorsAnswer) => void;
    reject: (error: unknown) => void;
  }[] = [];

  constructor(
    private readonly catalog: Catalog,
    private readonly store: OnlineStore,
    private readonly cache: EntityCache,
    private readonly datasets: DatasetBuilder,
    private readonly verifier: VectorVerifier,
    private readonly metrics: FeatureStoreMetrics,
  ) {}

  serve(server: GrpcServer): void {
    server.addService(FeatureStoreService, {
      streamVectors: handle.duplex(
        (stream: ServerDuplexStream<VectorsRequest, VectorsResponse>, context: CallContext) =>
          this.streamVectors(stream, context),
      ),
      getVectors: handle.unary((request: VectorsRequest, { deadlineMs }: CallContext) =>
        this.vectors(request, deadlineMs),
      ),
      getWatermarks: handle.unary((request: GetWatermarksRequest) => this.watermarks(request)),
      buildDataset: handle.serverStream((request: BuildDatasetRequest, context: CallContext) =>
        this.buildDataset(request, context),
      ),
      verifyVectors: handle.unary((request: VerifyVectorsRequest, context: CallContext) =>
        this.verifyVectors(request, context),
      ),
    });
    server.addReflection('millrace/features/v1/features.proto', `${projectRoot()}/proto`);
  }

  /** Each batch is answered by itself: what fails one leaves the others and the stream alone. */
  private streamVectors(stream: ServerDuplexStream<VectorsRequest, VectorsResponse>, context: CallContext): void {
    const transit = new TransitClock();
    stream.on('data', (request: VectorsRequest) => {
      const waitedMs = transit.waitedMs(request.sentAtMs, performance.now());
      const expiresAtMs = request.timeoutMs === 0 ? Infinity : Date.now() + request.timeoutMs - waitedMs;
      const span = context.messageSpan?.(request.traceparents);
      span?.set('millrace.batch.rows', request.rows.length);
      this.vectors(request, expiresAtMs).then(
        (response) => {
          span?.end();
          stream.write(response);
        },
        (error: unknown) => {
          span?.end(error);
          stream.write(
            VectorsResponse.fromPartial({
              batchId: request.batchId,
              errorCode: error instanceof MillraceError ? error.code : 'internal',
              errorMessage: errorMessage(error),
            }),
          );
        },
      );
    });
    stream.on('end', () => stream.end());
    stream.on('error', () => stream.end());
  }

  private async vectors(request: VectorsRequest, expiresAtMs: number): Promise<VectorsResponse> {
    const late = this.lateness(expiresAtMs);
    if (late !== undefined) throw late;
    const plan = this.catalog.service(request.featureService);
    const { rows, asOfMs } = request;
    if (rows.length > maxRows)
      throw new MillraceError('invalid-argument', `rows: ${rows.length}, at most ${maxRows} are taken`);
    if (asOfMs.length > 0 && asOfMs.length !== rows.length)
      throw new MillraceError('invalid-argument', `as_of_ms: ${asOfMs.length} instants for ${rows.length} rows`);
    const question = { plan, rows: rows.map(parseRow), asOfMs, nowMs: Date.now() };
    const stopTimer = this.metrics.serveSeconds.startTimer();
    const answer = await this.ask(question, expiresAtMs);
    stopTimer();
    this.metrics.vectors.inc({ feature_service: plan.name }, rows.length);
    return {
      batchId: request.batchId,
      vectors: Buffer.from(answer.vectors.buffer, answer.vectors.byteOffset, answer.vectors.byteLength),
      rows: rows.length,
      features: plan.featureNames.length,
      featureServiceDigest: plan.digest,
      asOfMs: [...answer.asOfMs],
      positions: answer.standings.map(toPosition),
      fallback: false,
      errors: [...answer.errors],
      errorCode: '',
      errorMessage: '',
    };
  }

  /** Questions of one turn are answered from one look at the store. */
  private ask(question: VectorsQuestion, expiresAtMs: number): Promise<VectorsAnswer> {
    return new Promise((resolve, reject) => {
      if (this.waiting.length === 0) setImmediate(() => this.flush());
      this.waiting.push({ question, expiresAtMs, resolve, reject });
    });
  }

  private flush(): void {
    const waiting = this.waiting.filter(({ expiresAtMs, reject }) => {
      const late = this.lateness(expiresAtMs);
      if (late !== undefined) reject(late);
      return late === undefined;
    });
    this.waiting = [];
    if (waiting.length === 0) return;
    serveVectors(
      this.store,
      this.cache,
      waiting.map(({ question }) => question),
    ).then(
      (answers) => waiting.forEach(({ resolve }, i) => resolve(answers[i]!)),
      (error: unknown) => {
        // Alone, so that one question that cannot be answered does not take the others with it.
        if (waiting.length === 1) return waiting[0]!.reject(error);
        for (const { question, resolve, reject } of waiting)
          serveVectors(this.store, this.cache, [question]).then(([answer]) => resolve(answer!), reject);
      },
    );
  }

  /** A question that nobody waits for any more is refused, and nothing is read for it. */
  private lateness(expiresAtMs: number): MillraceError | undefined {
    if (expiresAtMs === Infinity || Date.now() < expiresAtMs) return undefined;
    this.metrics.late.inc();
    return new MillraceError('deadline-exceeded', 'the question waited for longer than its timeout_ms');
  }

  private async watermarks({ streams }: GetWatermarksRequest): Promise<GetWatermarksResponse> {
    const names = streams.length > 0 ? streams : this.catalog.streams().map(({ name }) => name);
    const views = (name: string): string[] => this.catalog.viewsOf(name).map(({ id }) => id);
    const units = names.flatMap((name) => [streamUnit(name), ...views(name)]);
    const { positions } = await this.store.read(
      [],
      units.map((unit) => ({ unit, partitions })),
    );
    // A view that is still being filled holds the stream's watermark back: nobody may ask for what it has not taken in.
    const standings = names.map((name) => {
      const all = [streamUnit(name), ...views(name)].map((unit) => standing(name, positions.get(unit) ?? []));
      return { ...all[0]!, watermarkMs: Math.min(...all.map(({ watermarkMs }) => watermarkMs)) };
    });
    return { positions: standings.map(toPosition) };
  }

  private async *buildDataset(
    request: BuildDatasetRequest,
    { signal }: CallContext,
  ): AsyncIterable<BuildDatasetProgress> {
    const { plan, label } = this.catalog.model(request.model);
    if (request.toMs <= request.fromMs)
      throw new MillraceError('invalid-argument', `to_ms: ${request.toMs} is not after from_ms ${request.fromMs}`);
    yield* this.datasets.build(
      {
        plan,
        label,
        fromMs: request.fromMs,
        toMs: request.toMs,
        validateFromMs: request.validateFromMs || request.toMs,
        labelsUntilMs: request.labelsUntilMs || request.toMs + label.horizonMs,
      },
      signal,
    );
  }

  private async verifyVectors(request: VerifyVectorsRequest, { signal }: CallContext): Promise<VerifyVectorsResponse> {
    const plan = this.catalog.endpoint(request.endpoint);
    const result = await this.verifier.verify(plan, request, signal);
    this.metrics.mismatches.inc({ endpoint: request.endpoint }, result.mismatches);
    return result;
  }
}

function parseRow(bytes: Uint8Array): Record<string, unknown> {
  try {
    const row: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
    if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as Record<string, unknown>;
  } catch (error) {
    throw new MillraceError('invalid-argument', `rows: ${errorMessage(error)}`, { cause: error });
  }
  throw new MillraceError('invalid-argument', 'rows: each row is a JSON object');
}

function toPosition({ stream, watermarkMs, appliedOffsets }: StreamStanding): StreamPosition {
  return { stream, watermarkMs, appliedOffsets: [...appliedOffsets] };
}
