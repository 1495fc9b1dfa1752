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

/**
 * The body, unpacked where content-encoding says gzip or deflate. Neither what came nor what it unpacks to is larger than `maxBytes`.
 * @throws MillraceError payload-too-large, unsupported-media-type, invalid-argument
 */
export async function readBody(request: Request, response: Response, maxBytes: number): Promise<Buffer> {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity' && !isEncoding(encoding))
    throw new MillraceError(
      'unsupported-media-type',
      `content-encoding: "${shown(encoding)}" is not taken, use gzip, deflate or identity`,
    );
  const body = await collect(request, response, maxBytes);
  if (!isEncoding(encoding)) return body;
  try {
    return await unpackers[encoding](body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw new MillraceError('invalid-argument', `body: it is not ${encoding}, as content-encoding says`, {
      cause: error,
    });
  }
}

function collect(request: Request, response: Response, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) return void chunks.push(chunk);
      chunks.length = 0;
      if (size <= discardedTimes * maxBytes) return;
      request.pause();
      response.setHeader('connection', 'close');
      reject(tooLarge(maxBytes));
    });
    request.on('end', () => (size > maxBytes ? reject(tooLarge(maxBytes)) : resolve(Buffer.concat(chunks))));
    request.on('error', reject);
    request.on('aborted', () => reject(new MillraceError('invalid-argument', 'body: it ended too early')));
  });
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
