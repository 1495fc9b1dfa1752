import { describe, expect, it } from '@jest/globals';
import type { Request } from 'express';
import { Sessions } from '../domain/sessions.js';
import { ConsoleDoor } from './console.door.js';

const sessions = new Sessions(60_000);
const door = new ConsoleDoor(sessions);
const id = sessions.start({ name: 'someone', roles: [] }, 'Bearer a-token-of-someone');
const request = (method: string, headers: Record<string, string>, path = '/api/streams'): Request =>
  ({ method, path, headers: { host: '127.0.0.1:7210', ...headers } }) as unknown as Request;

describe('the door', () => {
  it.each([
    ['GET', '/', 'open'],
    ['GET', '/assets/main.js', 'open'],
    ['HEAD', '/vendor/preact.mjs', 'open'],
    ['POST', '/api/session', 'open'],
    ['GET', '/api/session', 'known'],
    ['DELETE', '/api/session', 'known'],
    ['GET', '/API/live', 'known'],
    ['POST', '/api/audit/verify', 'known'],
    ['POST', '/', undefined],
    ['POST', '/assets/main.js', undefined],
    ['GET', '/metrics', undefined],
    ['GET', '/assetsx', undefined],
  ])('%s %s is %s', (method, path, admitted) => expect(door.admits(method, path)).toBe(admitted));

  it('takes a cookie for the token behind it, whatever other cookies there are', () => {
    const cookie = `other=1; millrace_session=${id}; another=x`;
    expect(door.authorizationOf(request('GET', { cookie }))).toBe('Bearer a-token-of-someone');
  });

  it.each(['', 'millrace_session=short', `xmillrace_session=${id}`, `millrace_session=${id}x`])(
    'takes no other cookie: "%s"',
    (cookie) => {
      expect(() => door.authorizationOf(request('GET', { cookie }))).toThrow('there is none, or it has ended');
    },
  );

  it('lets a cookie change something only for the page itself', () => {
    const cookie = `millrace_session=${id}`;
    const from = (headers: Record<string, string>) => () =>
      door.authorizationOf(request('POST', { cookie, ...headers }));
    expect(from({})).toThrow('x-millrace-console: missing');
    expect(from({ 'x-millrace-console': '1', origin: 'http://127.0.0.1:9999' })).toThrow('is not this console');
    expect(from({ 'x-millrace-console': '1', origin: 'null' })).toThrow('is not this console');
    expect(from({ 'x-millrace-console': '1', origin: 'http://127.0.0.1:7210' })()).toBe('Bearer a-token-of-someone');
  });

  it('is no way to /metrics: a cookie counts under /api alone', () => {
    const cookie = `millrace_session=${id}`;
    expect(door.authorizationOf(request('GET', { cookie }, '/metrics'))).toBeUndefined();
  });
});
