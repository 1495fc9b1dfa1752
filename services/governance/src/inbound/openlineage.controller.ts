import { Controller, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { checkLineageEvent } from '../domain/lineage-event.js';
import { Lineage } from '../lineage.js';
import { forwardedHeader } from '../outbound/lineage.forwarder.js';
import type { ReceivedEvent } from '../outbound/lineage.store.js';
import { type EventsQuery, eventsQuestion, pageOf, type PageQuery, readNumber } from './lineage-queries.js';
import { maxEventBytes, readLineageBody } from './read-lineage-body.js';

const maxBatch = 1_000;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

interface FailedEvent {
  readonly index: number;
  readonly reason: string;
  readonly retriable: boolean;
}

/** OpenLineage's API for those who tell, and Marquez' for those who ask. */
@Controller('api/v1')
export class OpenLineageController {
  constructor(@Inject(Lineage) private readonly lineage: Lineage) {}

  /** 201 once all in-sync replicas have the event. */
  @Post('lineage')
  async receive(@Req() request: Request, @Res() response: Response): Promise<void> {
    const text = await readLineageBody(request, response);
    const received = this.counted(() => readEvent(parse(text), text));
    await this.lineage.publisher.publish([received], isForwarded(request));
    response.status(201).end();
  }

  /** 200 once all in-sync replicas have those that are right; the others are named. */
  @Post('lineage/batch')
  async receiveBatch(@Req() request: Request, @Res() response: Response): Promise<void> {
    const events = parse(await readLineageBody(request, response));
    if (!Array.isArray(events) || events.length > maxBatch)
      throw new MillraceError('invalid-argument', `body: has to be a list of at most ${maxBatch} events`);
    const failed: FailedEvent[] = [];
    const received = events.flatMap((event: unknown, index) => {
      try {
        return [this.counted(() => readEvent(event, JSON.stringify(event)))];
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        failed.push({ index, reason: errorMessage(error), retriable: false });
        return [];
      }
    });
    await this.lineage.publisher.publish(received, isForwarded(request));
    response.status(200).json({
      status: failed.length === 0 ? 'success' : 'partial_success',
      summary: {
        received: events.length,
        successful: received.length,
        failed: failed.length,
        retriable: 0,
        non_retriable: failed.length,
      },
      failed_events: failed,
    });
  }

  @Get('lineage')
  async graph(@Query() { nodeId = '', depth }: { nodeId?: string; depth?: string }): Promise<object> {
    const graph = await this.lineage.reader.graph(String(nodeId), readNumber('depth', depth, 20, 100));
    if (graph !== undefined) return { graph };
    const right = 'is job:<namespace>:<name> or dataset:<namespace>:<name> of one that is known';
    throw new MillraceError('not-found', `nodeId: there is no node "${String(nodeId).slice(0, 200)}"; it ${right}`);
  }

  /** The events are given as they came, byte for byte. */
  @Get('events/lineage')
  async events(@Query() query: EventsQuery, @Res() response: Response): Promise<void> {
    const { events, totalCount } = await this.lineage.reader.events(eventsQuestion(query));
    response.type('application/json').send(`{"events":[${events.join(',')}],"totalCount":${totalCount}}`);
  }

  @Get('namespaces')
  async namespaces(@Query() query: PageQuery): Promise<object> {
    return { namespaces: await this.lineage.reader.namespaces(pageOf(query)) };
  }

  @Get('namespaces/:namespace/jobs')
  async jobs(@Param('namespace') namespace: string, @Query() query: PageQuery): Promise<object> {
    const { found, totalCount } = await this.lineage.reader.entities('job', withoutNul(namespace), pageOf(query));
    return { jobs: found, totalCount };
  }

  @Get('namespaces/:namespace/datasets')
  async datasets(@Param('namespace') namespace: string, @Query() query: PageQuery): Promise<object> {
    const { found, totalCount } = await this.lineage.reader.entities('dataset', withoutNul(namespace), pageOf(query));
    return { datasets: found, totalCount };
  }

  @Get('jobs/runs/:id')
  async run(@Param('id') id: string): Promise<object> {
    const run = uuid.test(id) ? await this.lineage.reader.run(id) : undefined;
    if (run === undefined) throw new MillraceError('not-found', `there is no run "${id.slice(0, 100)}"`);
    return run;
  }

  private counted<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      this.lineage.metrics.refused.inc();
      throw error;
    }
  }
}

function isForwarded(request: Request): boolean {
  return request.headers[forwardedHeader] !== undefined;
}

function readEvent(value: unknown, text: string): ReceivedEvent {
  if (Buffer.byteLength(text) > maxEventBytes)
    throw new MillraceError('payload-too-large', `event: at most ${maxEventBytes} bytes are taken`);
  return { event: checkLineageEvent(value), text };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MillraceError('invalid-argument', `body: is not JSON: ${errorMessage(error).slice(0, 200)}`, {
      cause: error,
    });
  }
}

/** Postgres text holds none, and no namespace has one. */
function withoutNul(text: string): string {
  return text.replaceAll('\0', '\uFFFD');
}
