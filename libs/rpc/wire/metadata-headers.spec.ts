import { expect, it } from '@jest/globals';
import { metadataOf } from './metadata-headers.js';

it('metadata is what is not of the transport: repeated, binary, and without what cannot be metadata', () => {
  const metadata = metadataOf([
    ':path',
    '/a.B/C',
    'te',
    'trailers',
    'content-type',
    'application/grpc',
    'grpc-timeout',
    '1S',
    'x',
    '1',
    'x',
    '2',
    'y-bin',
    'AQI=,Aw==',
    'z',
    'é',
    'not a name',
    'v',
  ]);
  expect(metadata.toHttp2Headers()).toEqual({ x: ['1', '2'], 'y-bin': ['AQI=', 'Aw=='] });
  expect(metadata.get('y-bin')).toEqual([Buffer.of(1, 2), Buffer.of(3)]);
});
