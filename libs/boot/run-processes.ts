import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import type { ServiceSettings } from '#libs/config/settings.js';
import { redactAll } from '#libs/config/settings.js';
import type { ServiceName } from '#libs/contracts/services.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { OwnProcess, type PrimaryChannel } from './own-process.js';
import { type ForkedProcess, ProcessFamily } from './process-family.js';
import type { FromProcess, ToProcess } from './process-messages.js';

/**
 * Runs a service as several processes that share its gRPC and HTTP address, by node:cluster: a primary accepts connections and gives them out in turn. Connections, not calls: all calls over one
 * connection are answered by one process. With one process there is no primary, and nothing differs from a service that knows nothing of this.
 * @param count of processes; 0 = one a core
 * @param serve runs the service in this process, as one of so many
 */
export async function runProcesses(
  name: ServiceName,
  settings: ServiceSettings,
  count: number,
  serve: (own: OwnProcess) => Promise<void>,
): Promise<void> {
  const processes = count === 0 ? availableParallelism() : count;
  if (processes === 1) return serve(OwnProcess.alone());
  if (cluster.isWorker) return serve(new OwnProcess(numberOfThis(), processes, channel));
  lead(name, settings, processes);
}

function lead(name: ServiceName, settings: ServiceSettings, count: number): void {
  const log = new Logger(name, settings.LOG_LEVEL);
  const leave = (asked: boolean): void =>
    void family.stop().then((clean) => {
      log.info('service_stopped', { clean: asked && clean });
      process.exit(asked && clean ? 0 : 1);
    });
  const times = { giveUpAfterMs: 30_000, silentAfterMs: 30_000, stopGraceMs: settings.DRAIN_GRACE_MS + 12_000 };
  const family = new ProcessFamily(count, fork, new Metrics(name, 'primary'), log, times, () => leave(false));
  process.on('SIGTERM', () => leave(true));
  process.on('SIGINT', () => leave(true));
  log.info('processes_starting', { count, settings: redactAll(settings) });
  family.start();
}

/** The number stands in the command line, where `ps` shows it. */
function fork(number: number): ForkedProcess {
  cluster.setupPrimary({ args: ['--process', String(number)] });
  return cluster.fork();
}

function numberOfThis(): number {
  return Number(process.argv[process.argv.indexOf('--process') + 1]);
}

/** When the primary is gone the channel closes, and node:cluster ends this process: nobody would give it connections any more. */
const channel: PrimaryChannel = {
  send: (message: FromProcess) => void process.send?.(message, undefined, undefined, () => undefined),
  onMessage: (listener) => process.on('message', (message) => listener(message as ToProcess)),
};
