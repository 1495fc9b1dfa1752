import { Controller, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import { errorCodes, MillraceError } from '#libs/errors/millrace-error.js';
import { EventIntake, maxBatchBytes } from './event-intake.js';
import { readCloudEvents } from './read-cloud-events.js';

const retryAfterSeconds = '1';
const maxDiscardedBytes = 4 * maxBatchBytes;

/** CloudEvents 1.0 over HTTP. 202 once all in-sync replicas have every event; where some are refused, the answer names each, and the others have been taken. */
@Controller('v1/streams/:stream/events')
export class CloudEventsController {
  constructor(@Inject(EventIntake) private readonly intake: EventIntake) {}

  @Post()
  async receive(
    @Param('stream') stream: string,
    @Req() request: AuthenticatedRequest,
    @Res() response: Response,
  ): Promise<void> {
    const events = readCloudEvents(request.headers, await readBody(request, response));
    const answer = await this.intake.accept(stream, events, 'refuse', request.trace).catch((error: unknown) => {
      if (error instanceof MillraceError && error.code === 'resource-exhausted')
        response.setHeader('retry-after', retryAfterSeconds);
      throw error;
    });
    const [first] = answer.rejected;
    if (first === undefined) return void response.status(202).json(answer);
    const status = events.length === 1 ? errorCodes[first.code as keyof typeof errorCodes].http : 400;
    response.status(status).json({ error: { code: first.code, message: first.message }, ...answer });
  }
}

/** What is too long is read on without being kept, for a client reads no answer while it writes; what is far too long is cut off. */
function readBody(request: Request, response: Response): Promise<Buffer> {
  const tooLarge = new MillraceError('payload-too-large', `body: at most ${maxBatchBytes} bytes are taken`);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBatchBytes) return void chunks.push(chunk);
      chunks.length = 0;
      if (size <= maxDiscardedBytes) return;
      request.pause();
      response.setHeader('connection', 'close');
      reject(tooLarge);
    });
    request.on('end', () => (size > maxBatchBytes ? reject(tooLarge) : resolve(Buffer.concat(chunks))));
    request.on('error', reject);
    request.on('aborted', () => reject(new MillraceError('invalid-argument', 'body: it ended too early')));
  });
}
