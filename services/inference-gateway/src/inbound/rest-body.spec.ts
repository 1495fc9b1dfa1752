import { once } from 'node:events';
import { createServer, type IncomingMessage, request as ask, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MillraceError } from '#libs/errors/millrace-error.js';
import { BodyReader } from './rest-body.js';

const maxBytes = 1_000;
const reader = new BodyReader(maxBytes);
let held = Promise.resolve();
const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  reader.read(request as never, response as never).then(
    async (body) => {
      await held;
      response.end(`ok ${body.length}`);
    },
    ({ code }: MillraceError) => response.end(code),
  );
});
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => void server.close());

async function send(body: Buffer, encoding?: string): Promise<string> {
  const { port } = server.address() as AddressInfo;
  const headers = encoding === undefined ? {} : { 'content-encoding': encoding };
  const sent = ask({ port, host: '127.0.0.1', method: 'POST', headers, agent: false }).end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return text;
}

describe('a body', () => {
  it.each([
    ['as it is', Buffer.alloc(maxBytes), undefined, 'ok 1000'],
    ['packed by gzip', gzipSync(Buffer.alloc(maxBytes)), 'gzip', 'ok 1000'],
    ['packed by deflate', deflateSync(Buffer.alloc(7)), 'Deflate', 'ok 7'],
    ['over the bound', Buffer.alloc(maxBytes + 1), undefined, 'payload-too-large'],
    ['unpacked over the bound', gzipSync(Buffer.alloc(maxBytes + 1)), 'gzip', 'payload-too-large'],
    ['not packed as it says', Buffer.alloc(7), 'gzip', 'invalid-argument'],
    ['packed otherwise', Buffer.alloc(7), 'br', 'unsupported-media-type'],
  ])('%s', async (_, body, encoding, answer) => expect(await send(body, encoding)).toBe(answer));

  it('is refused where too many are held, and taken again when they are not', async () => {
    let release = (): void => undefined;
    held = new Promise((resolve) => (release = resolve));
    const answers: string[] = [];
    const sent = Array.from({ length: 20 }, async () => void answers.push(await send(Buffer.alloc(maxBytes))));
    while (answers.length < 4) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(answers).toEqual(Array(4).fill('resource-exhausted'));
    release();
    await Promise.all(sent);
    expect(answers.filter((answer) => answer === 'ok 1000')).toHaveLength(16);
    expect(await send(Buffer.alloc(maxBytes))).toBe('ok 1000');
  });
});
