import { join } from 'node:path';
import type { Client } from '@grpc/grpc-js';
import { type MeshState, readMeshState } from '#libs/boot/mesh-state.js';
import type { ServiceName } from '#libs/contracts/services.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { projectRoot } from '#libs/storage/sql-file.js';

/** Where the data of a local mesh lies: MILLRACE_DATA, else `.millrace` in the project. */
export function dataFolder(): string {
  return process.env['MILLRACE_DATA'] ?? join(projectRoot(), '.millrace');
}

let actingAs: string | undefined;

/** From now on calls carry the token of this caller of mesh.json; undefined = of the person who started the mesh. */
export function actAs(caller: string | undefined): void {
  actingAs = caller;
}

/** The mesh that runs here, with the token of who is acting; an error that says how to start one where there is none. */
export function connectMesh(): MeshState {
  const state = readMeshState(dataFolder());
  if (state === undefined)
    throw new MillraceError('unavailable', 'no mesh is running here; start one with `npm start`');
  return actingAs === undefined ? state : { ...state, token: tokenOf(state, actingAs) };
}

function tokenOf({ callers = {} }: MeshState, caller: string): string {
  const token = Object.hasOwn(callers, caller) ? callers[caller] : undefined;
  if (token === undefined)
    throw new MillraceError(
      'invalid-argument',
      `--as "${caller}": mesh.json has no such caller; it has ${Object.keys(callers).join(', ') || 'none'}`,
    );
  return token;
}

/** Runs `work` with a peer of the mesh and closes it after. */
export async function withPeer<C extends Client, T>(
  constructor: ConstructorParameters<typeof Peer<C>>[0],
  service: ServiceName,
  work: (peer: Peer<C>, mesh: MeshState) => Promise<T>,
): Promise<T> {
  const mesh = connectMesh();
  const peer = new Peer(constructor, service, mesh.services[service].grpc, mesh.token);
  try {
    return await work(peer, mesh);
  } finally {
    peer.close();
  }
}
