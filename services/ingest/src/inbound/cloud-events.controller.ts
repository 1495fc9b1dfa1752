import { Controller, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { type CloudEventV1, HTTP } from 'cloudevents';
import type { Request, Response } from 'express';
import type { Event } from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { EventIntake } from './event-intake.js';

const maxBodyBytes = 4 * 1024 * 1024;
const jsonType = /^application\/([a-z0-9.+-]+\+)?json\b/i;

/** CloudEvents 1.0 over HTTP: binary, structured and batch mode. 202 once all in-sync replicas have every event; 400 with every refusal when one is refused. */
@Controller('v1/streams/:stream/events')
export class CloudEventsController {
  constructor(@Inject(EventIntake) private readonly intake: EventIntake) {}

  @Post()
  async receive(@Param('stream') stream: string, @Req() request: Request, @Res() response: Response): Promise<void> {
    const body = await readBody(request);
    const contentType = request.headers['content-type'] ?? '';
    if (!jsonType.test(contentType))
      throw new MillraceError(
        'unsupported-media-type',
        `content-type: "${contentType}"; send application/json, application/cloudevents+json or application/cloudevents-batch+json`,
      );
    const answer = await this.intake.accept(stream, readEvents(request, contentType, body));
    if (answer.rejected.length > 0)
      response
        .status(400)
        .json({ error: { code: answer.rejected[0]!.code, message: answer.rejected[0]!.message }, ...answer });
    else response.status(202).json(answer);
  }
}

async function readBody(request: Request): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes)
      throw new MillraceError('payload-too-large', `the body has more than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function readEvents({ headers }: Request, contentType: string, body: Buffer): Event[] {
  try {
    const parsed = HTTP.toEvent<unknown>({ headers, body: body.toString() });
    const events = Array.isArray(parsed) ? parsed : [parsed as CloudEventV1<unknown>];
    const isBinary = !contentType.includes('cloudevents');
    return events.map(({ id, source, type, time, data, data_base64: base64 }) => ({
      id: id ?? '',
      source: source ?? '',
      type: type ?? '',
      timeMs: time === undefined ? 0 : Date.parse(time),
      data: isBinary
        ? body
        : base64 === undefined
          ? Buffer.from(JSON.stringify(data ?? null))
          : Buffer.from(base64, 'base64'),
    }));
  } catch (error) {
    throw new MillraceError('invalid-argument', `not a CloudEvent: ${errorMessage(error)}`, { cause: error });
  }
}
