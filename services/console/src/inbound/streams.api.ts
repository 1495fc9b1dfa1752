import { Controller, Get, Inject, Query, Req } from '@nestjs/common';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import type { Definition } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { StreamSpec } from '#libs/definitions/definition-kinds.js';
import type { QuarantinedView, QuarantineView, StreamView } from '../../views/streams.view.js';
import { MeshPeers } from '../outbound/mesh-peers.client.js';

const [maxData, newest] = [2_000, 200];

/** What the Streams page asks. */
@Controller('api/streams')
export class StreamsApi {
  constructor(@Inject(MeshPeers) private readonly peers: MeshPeers) {}

  @Get()
  async streams(@Req() request: AuthenticatedRequest): Promise<StreamView[]> {
    const asked = { kind: 'Stream', name: '' };
    const { definitions } = await this.peers.as(request).ask('registry', (stub) => stub.listDefinitions, asked);
    return definitions.filter(({ deleted }) => !deleted).map(toView);
  }

  /** The newest 200 of a stream, and how many there are. */
  @Get('quarantined')
  async quarantined(
    @Req() request: AuthenticatedRequest,
    @Query('stream') stream: string = '',
    @Query('reason') reasonCode: string = '',
  ): Promise<QuarantineView> {
    const asked = { stream: String(stream), limit: newest, reasonCode: String(reasonCode) };
    const { events, total } = await this.peers.as(request).ask('validator', (stub) => stub.listQuarantined, asked);
    const views = events.map(({ stream, eventId, quarantinedAtMs, reasons, data }): QuarantinedView => ({
      stream,
      eventId,
      atMs: quarantinedAtMs,
      reasons: reasons.map(({ code, column, message }) => ({ code, column, message })),
      data: data.toString('utf8').slice(0, maxData),
    }));
    return { total, events: views };
  }
}

function toView({ name, generation, changedMs, specJson }: Definition): StreamView {
  const spec = JSON.parse(specJson.toString('utf8')) as StreamSpec;
  const derived = spec.derive.map((one) => ({
    name: `${one.name} = ${one.expression}`,
    type: one.type,
    nullable: true,
  }));
  return {
    name,
    generation,
    changedMs,
    key: spec.key ?? "the event's id",
    eventTime: spec.eventTime,
    columns: [...spec.schema.map(({ name, type, nullable }) => ({ name, type, nullable })), ...derived],
    expectations: spec.expectations.map(({ name, arguments: given }) => `${name} ${JSON.stringify(given)}`),
  };
}
