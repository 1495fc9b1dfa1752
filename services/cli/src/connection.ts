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

/** The mesh that runs here; an error that says how to start one where there is none. */
export function connectMesh(): MeshState {
  const state = readMeshState(dataFolder());
  if (state === undefined)
    throw new MillraceError('unavailable', 'no mesh is running here; start one with `npm start`');
  return state;
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
