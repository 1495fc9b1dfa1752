import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { startInfrastructure, type Infrastructure } from '#deploy/local/infra/infrastructure.js';
import { SupervisedProcess } from '#deploy/local/infra/supervised-process.js';
import {
  addressSetting,
  httpAddressSetting,
  type ServiceName,
  serviceNames,
  services,
} from '#libs/contracts/services.js';
import { readJsonFile } from '#libs/storage/json-file.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { type MeshState, removeMeshState, type ServiceState, writeMeshState } from '#libs/boot/mesh-state.js';
import { freePort } from '#deploy/local/infra/ports.js';
import { codeCommit } from './code-commit.js';

export interface MeshOptions {
  readonly dataDir: string;
  /** Forget all data of earlier runs; what was downloaded is kept. */
  readonly fresh: boolean;
  readonly onProgress: (line: string) => void;
  /** The Python that runs training jobs; resolved while infrastructure starts. */
  readonly python: Promise<string>;
}

export interface Mesh {
  readonly state: MeshState;
  readonly infrastructure: Infrastructure;
  readonly processes: ReadonlyMap<ServiceName, SupervisedProcess>;
  stop(): Promise<void>;
}

/** Environment variables that name an external dependency, which is then used instead of a local one. */
const externalSettings = {
  kafka: 'KAFKA_BROKERS',
  clickhouse: 'CLICKHOUSE_URL',
  redis: 'REDIS_URL',
  postgres: 'POSTGRES_URL',
} as const;

/** Infrastructure, then the registry (it owns the control topics), then everything else at once; ready when every /readyz says so. */
export async function startMesh(options: MeshOptions): Promise<Mesh> {
  mkdirSync(options.dataDir, { recursive: true });
  const infrastructure = await startInfrastructure({
    dataDir: options.dataDir,
    fresh: options.fresh,
    external: externalAddresses(),
    onProgress: options.onProgress,
  });
  const processes = new Map<ServiceName, SupervisedProcess>();
  const stop = async (): Promise<void> => {
    removeMeshState(options.dataDir);
    await Promise.all([...processes.values()].map((process) => process.stop()));
    await infrastructure.stop();
  };
  try {
    const addresses = await chooseAddresses(options.dataDir);
    const secrets = readSecrets(options.dataDir);
    const environment = meshEnvironment(options, infrastructure, addresses, secrets, await options.python);
    for (const name of serviceNames)
      processes.set(name, serviceProcess(name, options.dataDir, addresses[name], environment));
    await processes.get('registry')!.start();
    await Promise.all(serviceNames.filter((name) => name !== 'registry').map((name) => processes.get(name)!.start()));
    const state: MeshState = {
      launcherPid: process.pid,
      token: secrets.user,
      callers: { risk: secrets.risk },
      services: addresses,
      infrastructure: infrastructure.addresses,
      clickhouseUrl: infrastructure.settings['CLICKHOUSE_URL']!,
    };
    writeMeshState(options.dataDir, state);
    return { state, infrastructure, processes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function externalAddresses(): Partial<Record<keyof typeof externalSettings, string>> {
  const entries = Object.entries(externalSettings).map(([name, variable]) => [name, process.env[variable]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

type Addresses = Record<ServiceName, ServiceState>;

async function chooseAddresses(dataDir: string): Promise<Addresses> {
  const taken = new Set<number>();
  const chosen: Partial<Addresses> = {};
  for (const name of serviceNames) {
    const grpc = await freePort(services[name].grpcPort, taken);
    const http = await freePort(services[name].httpPort, taken);
    chosen[name] = { grpc: `127.0.0.1:${grpc}`, http: `127.0.0.1:${http}`, log: join(dataDir, 'logs', `${name}.log`) };
  }
  return chosen as Addresses;
}

interface Secrets {
  /** Of the person at this machine. */
  readonly user: string;
  /** Of the services among themselves. */
  readonly mesh: string;
  /** Of a second person, so that two can be shown to agree: caller `risk`, with the role model-risk and no other. */
  readonly risk: string;
}

function readSecrets(dataDir: string): Secrets {
  const path = join(dataDir, 'secrets.json');
  const kept = existsSync(path) ? readJsonFile<Partial<Secrets>>(path) : {};
  const secrets: Secrets = { user: newToken(), mesh: newToken(), risk: newToken(), ...kept };
  writeFileSync(path, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}

function newToken(): string {
  return randomBytes(24).toString('base64url');
}

function meshEnvironment(
  options: MeshOptions,
  infrastructure: Infrastructure,
  addresses: Addresses,
  secrets: Secrets,
  python: string,
): Record<string, string> {
  const peers = serviceNames.flatMap((name) => [
    [addressSetting(name), addresses[name].grpc] as const,
    [httpAddressSetting(name), addresses[name].http] as const,
  ]);
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: process.env['HOME'] ?? '',
    ...infrastructure.settings,
    ...settingsPassedOn(),
    ...Object.fromEntries(peers),
    INFERENCE_WORKER_ADDRESSES: addresses['inference-worker'].grpc,
    MILLRACE_TOKEN: secrets.mesh,
    MILLRACE_TOKENS: `local-user=${secrets.user},mesh=${secrets.mesh},risk=${secrets.risk}`,
    MILLRACE_ROLES: 'local-user=admin,mesh=service,risk=model-risk',
    ARTIFACTS_DIR: join(options.dataDir, 'artifacts'),
    SOURCES_DIR: join(options.dataDir, 'sources'),
    PYTHON: python,
    CODE_COMMIT: codeCommit(projectRoot()),
    // Where a day passes in seconds, a look every two is a look every few hours.
    WATCH_INTERVAL_MS: process.env['WATCH_INTERVAL_MS'] ?? '1000',
    LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'info',
    NODE_OPTIONS: '--enable-source-maps',
  };
}

/** What is given to all services as it is: OpenTelemetry's own variables (each service has its own name there), who else may call, where lineage goes on to, and how many there are of a service. */
function settingsPassedOn(): Record<string, string> {
  const given = Object.entries(process.env).filter(
    ([name]) => /^((JWT|OPENLINEAGE|OTEL|UPSTREAM)_|PROCESSES$|INSTANCES$)/.test(name) && name !== 'OTEL_SERVICE_NAME',
  );
  return Object.fromEntries(given) as Record<string, string>;
}

function serviceProcess(
  name: ServiceName,
  dataDir: string,
  at: ServiceState,
  environment: Record<string, string>,
): SupervisedProcess {
  const ownFolder = join(dataDir, 'data', name);
  mkdirSync(ownFolder, { recursive: true });
  return new SupervisedProcess({
    name,
    command: process.execPath,
    args: [join(projectRoot(), `dist/services/${name}/src/main.js`)],
    env: { ...environment, GRPC_LISTEN: at.grpc, HTTP_LISTEN: at.http, DATA_DIR: ownFolder },
    cwd: projectRoot(),
    logFile: at.log,
    pidFile: join(dataDir, 'run', `${name}.pid`),
    restart: true,
    ready: () => isReady(at.http),
    readyTimeoutMs: 60_000,
    stopGraceMs: 8_000,
  });
}

function isReady(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(`http://${address}/readyz`, { timeout: 1_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('error', () => resolve(false));
    request.on('timeout', () => request.destroy());
  });
}
