import { promisify } from 'node:util';
import { deflate, gunzip, gzip, inflate } from 'node:zlib';
import type { Request, Response } from 'express';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { shown } from '#libs/tensors/tensor-codec.js';

/** A body over the bound is read on so far without being kept, for a client reads no answer while it writes; what is longer is cut off. */
const discardedTimes = 4;

const unpackers = { gzip: promisify(gunzip), deflate: promisify(inflate) };
const packers = { gzip: promisify(gzip), deflate: promisify(deflate) };

type Encoding = keyof typeof packers;

/** Bodies that may be held at a time, of the largest size. */
const heldTimes = 16;

/** Reads bodies: none, nor what it unpacks to, is larger than a bound, and all that are held at a time are not larger than 16 of them. */
export class BodyReader {
  private heldBytes = 0;

  constructor(private readonly maxBytes: number) {}

  /**
   * The body, unpacked where content-encoding says gzip or deflate.
   * @throws MillraceError payload-too-large, unsupported-media-type, resource-exhausted, invalid-argument
   */
  async read(request: Request, response: Response): Promise<Buffer> {
    const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
    if (encoding !== 'identity' && !isEncoding(encoding))
      throw new MillraceError(
        'unsupported-media-type',
        `content-encoding: "${shown(encoding)}" is not taken, use gzip, deflate or identity`,
      );
    const body = await this.collect(request, response);
    if (!isEncoding(encoding)) return body;
    try {
      return await unpackers[encoding](body, { maxOutputLength: this.maxBytes });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(this.maxBytes);
      throw new MillraceError('invalid-argument', `body: it is not ${encoding}, as content-encoding says`, {
        cause: error,
      });
    }
  }

  private collect(request: Request, response: Response): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    let refusal: MillraceError | undefined;
    response.once('close', () => (this.heldBytes -= Math.min(size, this.maxBytes)));
    return new Promise((resolve, reject) => {
      request.on('data', (chunk: Buffer) => {
        this.heldBytes += Math.min(size + chunk.length, this.maxBytes) - Math.min(size, this.maxBytes);
        size += chunk.length;
        refusal ??= this.refusalOf(size);
        if (refusal === undefined) return void chunks.push(chunk);
        chunks.length = 0;
        if (size <= discardedTimes * this.maxBytes) return;
        request.pause();
        response.setHeader('connection', 'close');
        reject(refusal);
      });
      request.on('end', () => (refusal === undefined ? resolve(Buffer.concat(chunks)) : reject(refusal)));
      request.on('error', reject);
      request.on('aborted', () => reject(new MillraceError('invalid-argument', 'body: it ended too early')));
    });
  }

  private refusalOf(size: number): MillraceError | undefined {
    if (size > this.maxBytes) return tooLarge(this.maxBytes);
    if (this.heldBytes <= heldTimes * this.maxBytes) return undefined;
    return new MillraceError(
      'resource-exhausted',
      `${this.heldBytes} bytes of bodies are held, at most ${heldTimes * this.maxBytes} are; try again later`,
    );
  }
}

function tooLarge(maxBytes: number): MillraceError {
  return new MillraceError('payload-too-large', `body: at most ${maxBytes} bytes are taken, unpacked too`);
}

function isEncoding(encoding: string): encoding is Encoding {
  return Object.hasOwn(packers, encoding);
}

/** Packs a body as accept-encoding allows, gzip before deflate (RFC 9110, section 12.5.3), and says so in the headers. */
export async function packed(request: Request, response: Response, body: Buffer): Promise<Buffer> {
  const accepted = request.headers['accept-encoding'];
  if (accepted === undefined) return body;
  response.setHeader('vary', 'accept-encoding');
  const encoding = (['gzip', 'deflate'] as const).find((one) => accepts(accepted, one));
  if (encoding === undefined) return body;
  response.setHeader('content-encoding', encoding);
  return packers[encoding](body);
}

function accepts(header: string, encoding: Encoding): boolean {
  for (const part of header.split(',')) {
    const [name, ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    if (name === encoding) return !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  }
  return false;
}
