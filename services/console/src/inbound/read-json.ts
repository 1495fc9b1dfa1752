import type { Request } from 'express';
import { MillraceError } from '#libs/errors/millrace-error.js';

const maxBytes = 64 * 1024;

/** The JSON object in a body of at most 64 KiB. @throws MillraceError invalid-argument, payload-too-large */
export async function readJson(request: Request): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new MillraceError('payload-too-large', `body: at most ${maxBytes} bytes are taken`);
    chunks.push(chunk);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    throw new MillraceError('invalid-argument', 'body: is not JSON', { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new MillraceError('invalid-argument', 'body: must be a JSON object');
  return value as Record<string, unknown>;
}
