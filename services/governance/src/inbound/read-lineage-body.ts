import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Request, Response } from 'express';
import { MillraceError } from '#libs/errors/millrace-error.js';

export const maxBodyBytes = 16 * 1024 * 1024;
export const maxEventBytes = 4 * 1024 * 1024;

/**
 * The body as text: JSON, plain or gzip.
 * @throws MillraceError unsupported-media-type; payload-too-large where it has more than 16 MiB, before or after gunzip; invalid-argument where it is no UTF-8 or no gzip
 */
export async function readLineageBody(request: Request, response: Response): Promise<string> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/(json|[\w.+-]+\+json)\s*(;|$)/i.test(type))
    throw new MillraceError(
      'unsupported-media-type',
      `content-type: "${type.slice(0, 100)}" has to be application/json`,
    );
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding !== 'identity' && encoding !== 'gzip')
    throw new MillraceError(
      'unsupported-media-type',
      `content-encoding: "${encoding.slice(0, 100)}" has to be gzip, or none`,
    );
  const raw = await readBounded(request, response);
  const body = encoding === 'gzip' ? await gunzipBounded(raw) : raw;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    throw new MillraceError('invalid-argument', 'body: is not UTF-8', { cause: error });
  }
}

const tooLarge = (): MillraceError =>
  new MillraceError('payload-too-large', `body: at most ${maxBodyBytes} bytes are taken`);

/** What is too long is cut off: a client of HTTP/1.1 that still writes may see the connection end. */
function readBounded(request: Request, response: Response): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBodyBytes) return void chunks.push(chunk);
      chunks.length = 0;
      request.pause();
      response.setHeader('connection', 'close');
      reject(tooLarge());
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', reject);
    request.on('aborted', () => reject(new MillraceError('invalid-argument', 'body: it ended too early')));
  });
}

async function gunzipBounded(raw: Buffer): Promise<Buffer> {
  try {
    return await promisify(gunzip)(raw, { maxOutputLength: maxBodyBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw new MillraceError('invalid-argument', 'body: is not gzip, as content-encoding says', { cause: error });
  }
}
