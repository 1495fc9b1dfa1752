import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceName } from '#libs/contracts/services.js';
import { readJsonFile } from '#libs/storage/json-file.js';

export interface ServiceState {
  readonly grpc: string;
  readonly http: string;
  readonly log: string;
}

/** What a running mesh tells others of itself, in `<data folder>/mesh.json`: where everything listens, and the token of the person who started it (file mode 0600). */
export interface MeshState {
  readonly launcherPid: number;
  readonly token: string;
  /** Tokens of others who may be shown on this machine, by caller: `risk`, who has the role model-risk. Absent = none. */
  readonly callers?: Readonly<Record<string, string>>;
  readonly services: Record<ServiceName, ServiceState>;
  /** host:port each. */
  readonly infrastructure: {
    readonly kafka: string;
    readonly clickhouse: string;
    readonly redis: string;
    readonly postgres: string;
  };
  readonly clickhouseUrl: string;
}

export function writeMeshState(dataDir: string, state: MeshState): void {
  const path = join(dataDir, 'mesh.json');
  writeFileSync(`${path}.part`, JSON.stringify(state, null, 2), { mode: 0o600 });
  renameSync(`${path}.part`, path);
}

/** Undefined = no mesh was started here, or it was stopped. */
export function readMeshState(dataDir: string): MeshState | undefined {
  const path = join(dataDir, 'mesh.json');
  return existsSync(path) ? readJsonFile<MeshState>(path) : undefined;
}

export function removeMeshState(dataDir: string): void {
  rmSync(join(dataDir, 'mesh.json'), { force: true });
}

/** Where a person opens the console of a mesh, signed in as who started it. The fragment reaches no server and no log; the page exchanges the token for a session. */
export function consoleUrl(state: MeshState): string {
  return `http://${state.services.console.http}/#token=${state.token}`;
}
