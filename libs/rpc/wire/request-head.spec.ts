import { expect, it } from '@jest/globals';
import { readHead, timeoutMs } from './request-head.js';

it.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['30S', 30_000],
  ['99999999m', 99_999_999],
  ['500u', 0.5],
  ['1n', 1e-6],
  ['0S', 0],
])('grpc-timeout %s is %d ms', (text, ms) => expect(timeoutMs(text)).toBeCloseTo(ms, 9));

it.each(['', 'S', '1', '1s', '-1S', '1.5S', ' 1S', '1 S', '123456789S', '1SS', '0x1S'])(
  'grpc-timeout "%s" cannot be read',
  (text) => expect(timeoutMs(text)).toBeNaN(),
);

it.each([
  ['application/grpc', true],
  ['application/grpc+proto', true],
  ['application/grpc;charset=utf-8', true],
  ['application/grpc-web', false],
  ['text/html', false],
])('content-type %s: %s', (type, isGrpc) => {
  expect(readHead([':path', '/a.B/C', 'content-type', type], () => 0)).toEqual({
    path: '/a.B/C',
    isGrpc,
    deadlineMs: Number.POSITIVE_INFINITY,
    encoding: 'identity',
  });
});

it('a deadline counts from when its request came', () => {
  expect(readHead([':path', '/a.B/C', 'grpc-timeout', '5S', 'grpc-encoding', 'gzip'], () => 1_000)).toMatchObject({
    deadlineMs: 6_000,
    encoding: 'gzip',
  });
});
