import { Controller, Get, Inject, type BeforeApplicationShutdown, Req, Res } from '@nestjs/common';
import type { Response } from 'express';
import { AccessGuard } from '#libs/auth/access-guard.js';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import type { AccessAction } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { LiveEvents } from '../../views/mesh.view.js';
import type { ConsoleMetrics } from '../console.metrics.js';
import { ConsoleMetricsToken } from '../console.tokens.js';
import { event, LiveHub, type Part, refusal } from '../domain/live-hub.js';
import { type Session, Sessions } from '../domain/sessions.js';
import { ConsoleDoor } from './console.door.js';

/** What somebody has to be allowed to, to see a part of the stream: the same as for the question behind it. */
const needs: Record<Part, [AccessAction, string]> = {
  mesh: ['read', 'mesh/metrics'],
  alerts: ['read', 'endpoints/*'],
  rollouts: ['read', 'endpoints/*'],
};
const maxStreams = 200;
const heartbeatMs = 10_000;

/** GET /api/live: Server-Sent Events, for as long as the session lives. */
@Controller('api/live')
export class LiveApi implements BeforeApplicationShutdown {
  private readonly open = new Map<Response, Session | undefined>();

  constructor(
    @Inject(LiveHub) private readonly hub: LiveHub,
    @Inject(AccessGuard) private readonly guard: AccessGuard,
    @Inject(ConsoleDoor) private readonly door: ConsoleDoor,
    @Inject(Sessions) sessions: Sessions,
    @Inject(ConsoleMetricsToken) private readonly metrics: ConsoleMetrics,
  ) {
    sessions.onEnd((ended) => {
      for (const [response, session] of this.open) if (session === ended) response.end();
    });
  }

  @Get()
  live(@Req() request: AuthenticatedRequest, @Res() response: Response): void {
    if (this.open.size >= maxStreams)
      throw new MillraceError('resource-exhausted', `live: ${maxStreams} streams are open, which is the most`);
    const { parts, refused } = this.partsOf(request);
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    const session = this.door.sessionOf(request);
    this.open.set(response, session);
    // A reader that does not keep up misses pictures: each stands for itself.
    const send = (text: string): void => void (response.writableNeedDrain || response.write(text));
    for (const one of refused) send(event('refused', one));
    const leave = this.hub.add({ parts, send });
    const heartbeat = setInterval(() => {
      // To look is to be there: a session lives on as long as its stream does, but not for ever.
      if (session !== undefined && this.door.sessionOf(request) === undefined) response.end();
      else send(': here\n\n');
    }, heartbeatMs);
    this.metrics.streams.set(this.open.size);
    response.on('close', () => {
      clearInterval(heartbeat);
      leave();
      this.open.delete(response);
      this.metrics.streams.set(this.open.size);
    });
  }

  beforeApplicationShutdown(): void {
    for (const response of this.open.keys()) response.end();
  }

  private partsOf(request: AuthenticatedRequest): { parts: Set<Part>; refused: LiveEvents['refused'][] } {
    const parts = new Set<Part>();
    const refused: LiveEvents['refused'][] = [];
    for (const [part, [action, resource]] of Object.entries(needs) as [Part, [AccessAction, string]][])
      try {
        this.guard.check(request.caller!, 'GET /api/live', action, resource);
        parts.add(part);
      } catch (error) {
        refused.push(refusal(part, error));
      }
    return { parts, refused };
  }
}
