import type { ServerDuplexStream } from '@grpc/grpc-js';
import { encodeWatermark } from '#libs/contracts/event-record.js';
import {
  type AdvanceWatermarkRequest,
  type AdvanceWatermarkResponse,
  IngestService,
  type PublishRequest,
  type PublishResponse,
  type ReplayProgress,
  type ReplayRequest,
} from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import { topics } from '#libs/contracts/topics.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { toServiceError } from '#libs/rpc/status.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { type PublishRecords, replay } from '../domain/replay.js';
import type { StreamPublisher } from '../domain/stream-publisher.js';
import type { StreamTable } from '../domain/stream-table.js';
import type { SourceFiles } from '../outbound/source-files.js';
import type { EventIntake } from './event-intake.js';

const maxInFlight = 16;

export class IngestGrpc {
  constructor(
    private readonly intake: EventIntake,
    private readonly table: StreamTable,
    private readonly publisher: StreamPublisher,
    private readonly files: SourceFiles,
  ) {}

  serve(server: GrpcServer): void {
    server.addService(IngestService, {
      publish: handle.unary(({ stream, events }: PublishRequest, { trace }: CallContext) =>
        this.intake.accept(stream, events, 'refuse', trace),
      ),
      publishStream: handle.duplex(
        (stream: ServerDuplexStream<PublishRequest, PublishResponse>, context: CallContext) =>
          this.publishStream(stream, context),
      ),
      advanceWatermark: handle.unary((request: AdvanceWatermarkRequest) => this.advanceWatermark(request)),
      replay: handle.serverStream((request: ReplayRequest, context: CallContext) => this.replay(request, context)),
    });
    server.addReflection('millrace/ingest/v1/ingest.proto', `${projectRoot()}/proto`);
  }

  /** Answers in the order of the requests; a sender that does not wait for answers is not read from beyond a few. The first error ends the stream. */
  private publishStream(stream: ServerDuplexStream<PublishRequest, PublishResponse>, context: CallContext): void {
    let [inFlight, failed] = [0, false];
    let last: Promise<void> = Promise.resolve();
    const fail = (error: unknown): void => {
      if (!failed) stream.emit('error', toServiceError(error));
      failed = true;
    };
    stream.on('data', ({ stream: name, events }: PublishRequest) => {
      if (failed) return;
      inFlight += 1;
      if (inFlight >= maxInFlight) stream.pause();
      const span = context.messageSpan?.();
      const accepted = this.intake.accept(name, events, 'hold', span?.trace);
      accepted.then(
        () => span?.end(),
        (error: unknown) => span?.end(error), // reported below, in its turn
      );
      last = last.then(async () => {
        stream.write(await accepted);
        inFlight -= 1;
        stream.resume();
      });
      last.catch(fail);
    });
    stream.on('end', () => {
      last.then(() => stream.end()).catch(() => undefined); // reported above
    });
  }

  private async advanceWatermark({ stream, watermarkMs }: AdvanceWatermarkRequest): Promise<AdvanceWatermarkResponse> {
    this.table.stream(stream);
    if (!Number.isSafeInteger(watermarkMs) || watermarkMs <= 0)
      throw new MillraceError('invalid-argument', `watermark_ms: ${watermarkMs}; epoch milliseconds above 0`);
    const records = Array.from({ length: topics.rawEvents.partitions }, (_, partition) =>
      encodeWatermark(watermarkMs, partition),
    );
    await this.publisher.publish(stream, records, 'hold');
    return {};
  }

  private async *replay(request: ReplayRequest, { signal, trace }: CallContext): AsyncIterable<ReplayProgress> {
    const { sources, fromMs, speedup } = request;
    const toMs = request.toMs === 0 ? Number.MAX_SAFE_INTEGER : request.toMs;
    for (const [name, value] of Object.entries({ from_ms: fromMs, to_ms: toMs }))
      if (!Number.isSafeInteger(value)) throw new MillraceError('invalid-argument', `${name}: ${value} is no instant`);
    if (sources.length === 0) throw new MillraceError('invalid-argument', 'sources: empty; name Source definitions');
    if (toMs <= fromMs) throw new MillraceError('invalid-argument', `to_ms: ${toMs} is not after from_ms ${fromMs}`);
    if (!(speedup >= 0 && speedup < Infinity))
      throw new MillraceError('invalid-argument', `speedup: ${speedup}; 0 or more`);
    if (new Set(sources).size < sources.length)
      throw new MillraceError('invalid-argument', `sources: ${sources.join(', ')}; each one once`);
    const specs = sources.map((name) => this.table.source(name));
    const readers = specs.map((source) => this.files.read(source, this.table.stream(source.stream), fromMs, toMs));
    const publish: PublishRecords = (stream, records) => this.intake.publish(stream, records, 'hold');
    for await (const progress of replay({ sources: readers, speedup, trace }, publish, signal)) {
      const watermarkMs = request.toMs === 0 ? progress.eventTimeMs + 1 : toMs;
      if (progress.finished && request.advanceWatermark && (request.toMs !== 0 || progress.published > 0))
        for (const stream of new Set(specs.map((source) => source.stream)))
          await this.advanceWatermark({ stream, watermarkMs });
      yield progress;
    }
  }
}
