import { expect, it } from '@jest/globals';
import { profileParts } from './profile-parts.js';

const node = (id: number, functionName: string, url: string, children: number[] = []) => ({
  id,
  callFrame: { functionName, url, scriptId: '', lineNumber: 0, columnNumber: 0 },
  children,
});

it('the time at work is shared out by where code lies, native functions to who called them', () => {
  const nodes = [
    node(1, '(root)', '', [2, 3, 4, 5]),
    node(2, '(idle)', ''),
    node(3, '(garbage collector)', ''),
    node(4, 'append', 'file:///app/dist/libs/wal/write-ahead-log.js', [6]),
    node(5, 'sendMessage', 'file:///app/node_modules/@grpc/grpc-js/build/src/call.js'),
    node(6, 'writeBuffers', ''),
  ];
  const profile = { nodes, samples: [2, 3, 4, 6, 5], timeDeltas: [900, 30, 20, 20, 30], startTime: 0, endTime: 1 };
  expect(profileParts(profile)).toEqual([
    { part: 'write-ahead log, its shipping, files', share: 0.4 },
    { part: 'garbage collection', share: 0.3 },
    { part: '@grpc/grpc-js', share: 0.3 },
  ]);
  expect(profileParts({ nodes: [], samples: [], timeDeltas: [], startTime: 0, endTime: 0 })).toEqual([]);
});
