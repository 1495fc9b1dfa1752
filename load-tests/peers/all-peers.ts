import { control } from './control/control.peer.js';
import { MillracePeer } from './millrace/millrace.peer.js';
import type { Peer } from './peer.js';
import { pythonPeer } from './python-peer.js';
import { pythonPeers } from './python-peers.js';

/** In the order of the table. @param cache folder for their environments */
export function allPeers(cache: string, onProgress: (line: string) => void): Record<string, Peer> {
  const python = pythonPeers.map((spec) => [spec.folder, pythonPeer(spec, cache, onProgress)] as const);
  return {
    millrace: new MillracePeer(),
    'millrace-grpc-js': new MillracePeer('grpc-js'),
    control,
    ...Object.fromEntries(python),
  };
}
