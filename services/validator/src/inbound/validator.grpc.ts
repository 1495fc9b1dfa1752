import { headerNames } from '#libs/contracts/event-record.js';
import {
  type ListQuarantinedRequest,
  type ListQuarantinedResponse,
  type ReplayQuarantinedRequest,
  type ReplayQuarantinedResponse,
  ValidatorService,
} from '#libs/contracts/generated/millrace/validator/v1/validator.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Publisher } from '#libs/messaging/message-log.js';
import { type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { QuarantineStore, StoredEvent } from '../outbound/quarantine.store.js';

const defaultLimit = 50;
const maxLimit = 1_000;
const maxReplay = 10_000;

export class ValidatorGrpc {
  constructor(
    private readonly store: QuarantineStore,
    private readonly raw: Publisher,
  ) {}

  serve(server: GrpcServer): void {
    server.addService(ValidatorService, {
      listQuarantined: handle.unary((request: ListQuarantinedRequest) => this.list(request)),
      replayQuarantined: handle.unary((request: ReplayQuarantinedRequest) => this.replay(request)),
    });
    server.addReflection('millrace/validator/v1/validator.proto', `${projectRoot()}/proto`);
  }

  private async list({ stream, limit, reasonCode }: ListQuarantinedRequest): Promise<ListQuarantinedResponse> {
    if (limit > maxLimit) throw new MillraceError('invalid-argument', `limit: ${limit}; at most ${maxLimit}`);
    const { events, total } = await this.store.list(stream, reasonCode, [], limit || defaultLimit);
    return { events: events.map(({ event }) => event), total };
  }

  /** With the original bytes, id and source: what has been accepted meanwhile counts once. */
  private async replay({ stream, eventIds }: ReplayQuarantinedRequest): Promise<ReplayQuarantinedResponse> {
    if (stream === '')
      throw new MillraceError('invalid-argument', 'stream: empty; name the stream whose events go in again');
    const { events, total } = await this.store.list(stream, '', eventIds, maxReplay);
    if (total > maxReplay)
      throw new MillraceError(
        'failed-precondition',
        `${total} events are quarantined, at most ${maxReplay} are replayed at once; name them by event_ids`,
      );
    const records = events.toReversed().map(toRaw);
    if (records.length > 0) await this.raw.publish(records, stream);
    return { replayed: records.length };
  }
}

function toRaw({ event, source }: StoredEvent) {
  const headers = {
    [headerNames.specVersion]: '1.0',
    [headerNames.id]: event.eventId,
    [headerNames.source]: source,
    [headerNames.type]: event.stream,
    [headerNames.contentType]: 'application/json',
  };
  return { key: event.key, value: event.data, headers, partition: event.sourcePartition };
}
