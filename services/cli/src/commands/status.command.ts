import { get } from 'node:http';
import { connect } from 'node:net';
import type { Command } from 'commander';
import { readMeshState, removeMeshState } from '#libs/boot/mesh-state.js';
import { serviceNames } from '#libs/contracts/services.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { splitAddress } from '#libs/rpc/split-address.js';
import { connectMesh, dataFolder } from '../connection.js';
import { type OutputOptions, print, printJson, printTable } from '../output.js';

export function addStatusCommands(program: Command): void {
  program
    .command('status')
    .description('every service and what it stands on; exit 1 when something is not ready')
    .option('--json', 'print one JSON object')
    .action(status);
  program.command('down').description('stop the mesh that runs here, and keep its data').action(down);
}

async function status(options: OutputOptions): Promise<void> {
  const mesh = connectMesh();
  const services = await Promise.all(
    serviceNames.map(async (name) => {
      const { grpc, http } = mesh.services[name];
      return [name, { state: await stateOf(http), grpc, http, metrics: `http://${http}/metrics` }] as const;
    }),
  );
  const reachable = await Promise.all(
    Object.entries(mesh.infrastructure).map(async ([name, address]) => [name, await answers(address)] as const),
  );
  if (services.some(([, s]) => s.state !== 'ready') || reachable.some(([, up]) => !up)) process.exitCode = 1;
  if (options.json) return printJson({ services: Object.fromEntries(services), infrastructure: mesh.infrastructure });
  printTable(
    ['SERVICE', 'STATE', 'GRPC', 'HTTP'],
    services.map(([name, s]) => [name, s.state, s.grpc, s.http]),
    '',
  );
  print('');
  const up = new Map(reachable);
  printTable(
    ['INFRASTRUCTURE', 'STATE', 'ADDRESS'],
    Object.entries(mesh.infrastructure).map(([name, address]) => [name, up.get(name) ? 'ready' : 'away', address]),
    '',
  );
}

/** ready | not-ready (it answers and says why not) | away */
function stateOf(address: string): Promise<string> {
  return new Promise((resolve) => {
    const request = get(`http://${address}/readyz`, { timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200 ? 'ready' : 'not-ready');
    });
    request.on('error', () => resolve('away'));
    request.on('timeout', () => request.destroy());
  });
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...splitAddress(address), timeout: 2_000 });
    const end = (up: boolean): void => {
      socket.destroy();
      resolve(up);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}

async function down(): Promise<void> {
  const mesh = readMeshState(dataFolder());
  if (mesh === undefined) return print('no mesh is running here');
  if (!signal(mesh.launcherPid, 'SIGTERM')) {
    removeMeshState(dataFolder());
    return print('the mesh had ended already; what it left behind is removed');
  }
  const untilMs = Date.now() + 60_000;
  while (signal(mesh.launcherPid, 0)) {
    if (Date.now() > untilMs)
      throw new MillraceError('deadline-exceeded', `the mesh (process ${mesh.launcherPid}) did not stop within 60 s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  print('stopped; the data is kept, `npm start` goes on with it');
}

/** False = there is no such process. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
