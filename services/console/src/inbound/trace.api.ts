import { Controller, Get, Inject, Query, Req } from '@nestjs/common';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import type { TraceView } from '../../views/trace.view.js';
import { MeshPeers } from '../outbound/mesh-peers.client.js';
import { textOf } from './query-values.js';

const deadlineMs = 14_000;

/** What the Trace page asks. */
@Controller('api/trace')
export class TraceApi {
  constructor(@Inject(MeshPeers) private readonly peers: MeshPeers) {}

  @Get()
  async trace(@Req() request: AuthenticatedRequest, @Query('id') id: unknown): Promise<TraceView> {
    const asked = { predictionId: textOf(id) };
    const found = await this.peers.as(request).ask('governance', (stub) => stub.tracePrediction, asked, deadlineMs);
    const items = found.items.map(({ kind, id, atMs, facts }) => ({ kind, id, atMs, facts: Object.entries(facts) }));
    return { predictionId: found.predictionId, items };
  }
}
