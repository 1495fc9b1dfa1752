import { expect, it } from '@jest/globals';
import { contentLengthOf, faultOf, type HeadKind, valueOf } from './message-head.js';

const request = [':method', 'POST', ':scheme', 'http', ':path', '/a', 'te', 'trailers', 'x', ''];

it.each<[HeadKind, string[]]>([
  ['request', request],
  ['request', [':authority', '', ...request]],
  ['answer', [':status', '200', 'content-type', 'application/grpc']],
  ['trailers', ['grpc-status', '0']],
  ['trailers', []],
])('a well-formed %s has no fault', (kind, headers) => {
  expect(faultOf(kind, headers)).toBeUndefined();
});

it.each<[string, HeadKind, string[]]>([
  ['a request needs :method, :scheme and :path', 'request', request.slice(2)],
  ['a request needs :method, :scheme and :path', 'request', [':authority', 'a', ...request.slice(2)]],
  [':path is empty', 'request', [':method', 'POST', ':scheme', 'http', ':path', '']],
  [':path twice', 'request', [...request.slice(0, 6), ':path', '/b']],
  [':method behind other headers', 'request', ['x', '1', ...request]],
  [':status is no header of a request', 'request', [':status', '200', ...request]],
  [':path is no header of a answer', 'answer', [':path', '/a']],
  [':status is no header of a trailers', 'trailers', [':status', '200']],
  ['a header with capitals, blanks or no name', 'request', [...request, 'X-Token', '1']],
  ['a header with capitals, blanks or no name', 'request', [...request, 'a b', '1']],
  ['a header with capitals, blanks or no name', 'request', [...request, 'a:b', '1']],
  ['a header with capitals, blanks or no name', 'request', [...request, 'ä', '1']],
  ['a header with capitals, blanks or no name', 'trailers', ['', '1']],
  ['connection is of HTTP/1.1', 'request', [...request, 'connection', 'close']],
  ['transfer-encoding is of HTTP/1.1', 'answer', [':status', '200', 'transfer-encoding', 'chunked']],
  ['te is of HTTP/1.1', 'request', [...request.slice(0, 6), 'te', 'gzip']],
])('%s', (fault, kind, headers) => {
  expect(faultOf(kind, headers)).toBe(fault);
});

it('the first value of a name counts, and names are found among names alone', () => {
  expect(valueOf(['a', 'b', 'b', '1', 'b', '2'], 'b')).toBe('1');
  expect(valueOf([], 'b')).toBeUndefined();
});

it.each([
  ['0', 0],
  ['123456789012345', 123_456_789_012_345],
  ['1234567890123456', Number.NaN],
  ['-1', Number.NaN],
  ['1.5', Number.NaN],
  ['', Number.NaN],
  ['1, 1', Number.NaN],
])('content-length "%s" is %d', (text, bytes) => {
  expect(contentLengthOf(['content-length', text])).toBe(bytes);
});

it('a content-length that is not told is none', () => {
  expect(contentLengthOf(['content-type', 'x'])).toBeUndefined();
});
