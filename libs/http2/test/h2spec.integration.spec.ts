import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { encodeHeaders } from '../hpack-encoder.js';
import { Http2Connection } from '../http2-connection.js';
import type { Http2Stream } from '../http2-stream.js';
import { Attacked } from './attacked-process.js';
import { type Conformance, conformanceOf } from './h2spec.js';

jest.setTimeout(180_000);

const sections = ['generic', 'http2', 'hpack'];

function skippedIn(cases: Conformance[]): string[] {
  return cases.flatMap(({ name, isSkipped }) => (isSkipped ? [name] : []));
}

function failuresIn(cases: Conformance[]): string[] {
  expect(cases.length).toBeGreaterThan(140);
  expect(new Set(cases.map(({ name }) => name.split('/')[0]))).toEqual(new Set(sections));
  return cases.flatMap(({ name, failure }) => (failure === undefined ? [] : [`${name}: ${failure}`]));
}

/** Answers a request by a page when it has come whole, as h2spec expects of a server. */
function servePage(stream: Http2Stream, isWhole: boolean): void {
  const answer = (isEnd: boolean): void => {
    if (!isEnd) return;
    stream.sendHeaders(encodeHeaders([':status', '200']));
    stream.send(Buffer.alloc(0), Buffer.from('a page'));
    stream.end();
  };
  stream.owner = {
    headers: (_, isEnd) => answer(isEnd),
    data: (bytes, isEnd) => {
      stream.consumed(bytes.length);
      answer(isEnd);
    },
    drained: () => undefined,
    aborted: () => undefined,
  };
  answer(isWhole);
}

describe('HTTP/2 as h2spec has it, of a connection that serves pages', () => {
  let server: Server;
  let cases: Conformance[];
  beforeAll(async () => {
    const connections: Http2Connection[] = [];
    server = createServer((socket) => {
      const owner = {
        opened: (stream: Http2Stream, _: unknown, isWhole: boolean) => servePage(stream, isWhole),
        closed: () => undefined,
      };
      connections.push(new Http2Connection(socket, true, owner));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cases = await conformanceOf((server.address() as AddressInfo).port);
  });
  afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

  it('is kept in all sections', () => {
    expect(failuresIn(cases)).toEqual([]);
    expect(skippedIn(cases)).toEqual([]);
  });
});

describe('HTTP/2 as h2spec has it, of the gRPC server', () => {
  /** It answers what is no gRPC call by a status as soon as it has its headers; these wait for a page after them, or do something to the stream in the meantime. */
  const answeredBefore = [
    'generic/2 Sends a WINDOW_UPDATE frame on half-closed (remote) stream',
    'generic/2 Sends a PRIORITY frame on half-closed (remote) stream',
    'http2/5.1 closed: Sends a DATA frame after sending RST_STREAM frame',
    'http2/5.1.2 Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded',
    'http2/6.9.1 Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream',
    'http2/8.1.2.6 Sends a HEADERS frame with the "content-length" header field which does not equal the DATA frame payload length',
    'http2/8.1.2.6 Sends a HEADERS frame with the "content-length" header field which does not equal the sum of the multiple DATA frames payload length',
  ];
  /** And these need a page. */
  const withoutPage = [
    'http2/6.5.3 Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE',
    'http2/6.9.1 Sends SETTINGS frame to set the initial window size to 1 and sends HEADERS frame',
    'http2/6.9.2 Changes SETTINGS_INITIAL_WINDOW_SIZE after sending HEADERS frame',
    'http2/6.9.2 Sends a SETTINGS frame for window size to be negative',
  ];
  let attacked: Attacked;
  let cases: Conformance[];
  beforeAll(async () => {
    attacked = await Attacked.start();
    cases = await conformanceOf(attacked.port);
  });
  afterAll(() => attacked.stop());

  it('is kept in all sections, but where a call that is none is answered at once', () => {
    const others = failuresIn(cases).filter((failure) => !answeredBefore.some((name) => failure.startsWith(name)));
    expect(others).toEqual([]);
    expect(skippedIn(cases)).toEqual(withoutPage);
  });

  it('and it goes on', async () => {
    expect(await attacked.call()).toBeLessThan(1_000);
  });
});
