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
import { type CallContext, type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { toServiceError } from '#libs/rpc/status.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { replay } from '../domain/replay.js';
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
      publish: handle.unary(({ stream, events }: PublishRequest) => this.intake.accept(stream, events)),
      publishStream: handle.duplex((stream: ServerDuplexStream<PublishRequest, PublishResponse>) =>
        this.publishStream(stream),
      ),
      advanceWatermark: handle.unary((request: AdvanceWatermarkRequest) => this.advanceWatermark(request)),
      replay: handle.serverStream((request: ReplayRequest, context: CallContext) => this.replay(request, context)),
    });
    server.addReflection('millrace/ingest/v1/ingest.proto', `${projectRoot()}/proto`);
  }

  /** Answers in the order of the requests; a sender that does not wait for answers is not read from beyond a few. */
  private publishStream(stream: ServerDuplexStream<PublishRequest, PublishResponse>): void {
    let inFlight = 0;
    let last: Promise<void> = Promise.resolve();
    stream.on('data', ({ stream: name, events }: PublishRequest) => {
      inFlight += 1;
      if (inFlight >= maxInFlight) stream.pause();
      const accepted = this.intake.accept(name, events);
      accepted.catch(() => undefined); // reported below, in its turn
      last = last.then(async () => {
        stream.write(await accepted);
        inFlight -= 1;
        stream.resume();
      });
      last.catch((error: unknown) => stream.emit('error', toServiceError(error)));
    });
    stream.on('end', () => last.then(() => stream.end()).catch(() => undefined));
  }

  private async advanceWatermark({ stream, watermarkMs }: AdvanceWatermarkRequest): Promise<AdvanceWatermarkResponse> {
    this.table.stream(stream);
    if (!Number.isSafeInteger(watermarkMs) || watermarkMs <= 0)
      throw new MillraceError('invalid-argument', `watermark_ms: ${watermarkMs}; epoch milliseconds above 0`);
    const records = Array.from({ length: topics.rawEvents.partitions }, (_, partition) =>
      encodeWatermark(watermarkMs, partition),
    );
    await this.publisher.publish(stream, records);
    return {};
  }

  private async *replay(request: ReplayRequest, { signal }: CallContext): AsyncIterable<ReplayProgress> {
    const { sources, fromMs, speedup } = request;
    const toMs = request.toMs === 0 ? Number.MAX_SAFE_INTEGER : request.toMs;
    if (sources.length === 0) throw new MillraceError('invalid-argument', 'sources: empty; name Source definitions');
    if (toMs <= fromMs) throw new MillraceError('invalid-argument', `to_ms: ${toMs} is not after from_ms ${fromMs}`);
    if (!(speedup >= 0)) throw new MillraceError('invalid-argument', `speedup: ${speedup}; 0 or more`);
    const specs = sources.map((name) => this.table.source(name));
    const readers = specs.map((source) => this.files.read(source, this.table.stream(source.stream), fromMs, toMs));
    for await (const progress of replay(
      { sources: readers, speedup },
      (stream, records) => this.publisher.publish(stream, records),
      signal,
    )) {
      if (progress.finished && request.advanceWatermark) {
        const watermarkMs = request.toMs === 0 ? progress.eventTimeMs + 1 : toMs;
        for (const stream of new Set(specs.map((source) => source.stream)))
          await this.advanceWatermark({ stream, watermarkMs });
      }
      yield progress;
    }
  }
}
