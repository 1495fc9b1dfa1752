import { control } from './control/control.peer.js';
import { MillracePeer } from './millrace/millrace.peer.js';
import type { Peer } from './peer.js';

/** In the order of the table. */
export function allPeers(_cache: string): Record<string, Peer> {
  return { millrace: new MillracePeer(), control };
}
