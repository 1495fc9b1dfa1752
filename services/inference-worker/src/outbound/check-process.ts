import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { CheckLimits, CheckOrder, CheckReport } from './check-order.js';

/** A model that fills memory does so at about 2 GB/s: 20 MB pass between two looks. */
const lookEveryMs = 10;
const prlimit = '/usr/bin/prlimit';
const unshare = '/usr/bin/unshare';

/** Why a process was ended before it had answered, in words that follow `the check`. */
export interface Stopped {
  readonly stopped: string;
}

let networkless: Promise<boolean> | undefined;

/** Whether this machine lets a process have a network of its own, which is none. Containers mostly do not. */
function canLeaveNetwork(): Promise<boolean> {
  networkless ??= existsSync(unshare)
    ? promisify(execFile)(unshare, ['-rn', 'true']).then(
        () => true,
        () => false, // Not allowed here: the network policy of the deployment has to do.
      )
    : Promise.resolve(false);
  return networkless;
}

/**
 * A process for one model: without the worker's environment, thus without its secrets, with bounded memory and time, and without a network where the machine lets it.
 * It has loaded onnxruntime and waits when `start` resolves.
 */
export class CheckProcess {
  private constructor(private readonly child: ChildProcess) {}

  /** @param entry the built check-model.child.js */
  static async start(entry: string, limits: CheckLimits): Promise<CheckProcess> {
    const heapMb = Math.max(64, Math.floor(limits.memoryBytes / 2 ** 20 / 2));
    const command = [process.execPath, `--max-old-space-size=${heapMb}`, entry];
    // What holds where this process is not there to look: busy with a run, or gone.
    if (existsSync(prlimit))
      command.unshift(
        prlimit,
        `--cpu=${Math.ceil(limits.timeoutMs / 1_000) * 2 + 5}`,
        '--core=0',
        `--data=${limits.memoryBytes * 2}`,
      );
    if (await canLeaveNetwork()) command.unshift(unshare, '-rn');
    const [file, ...args] = command as [string, ...string[]];
    const child = spawn(file, args, { env: {}, cwd: '/', stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const process_ = new CheckProcess(child);
    await process_.ready(limits);
    return process_;
  }

  /** Gives it its model and ends the process whatever comes of it. */
  async run(order: CheckOrder, limits: CheckLimits): Promise<CheckReport | Stopped> {
    try {
      return await this.answer(order, limits);
    } finally {
      this.end();
    }
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  end(): void {
    this.child.kill('SIGKILL');
  }

  private ready({ timeoutMs }: CheckLimits): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.end();
        reject(new Error(`the process that checks models did not start within ${timeoutMs} ms`));
      }, timeoutMs);
      this.child.once('message', () => {
        clearTimeout(timer);
        // Neither keeps a worker alive that has failed to start.
        this.child.unref();
        this.child.channel?.unref();
        this.child.removeAllListeners('exit').on('error', () => undefined); // An end is seen by who waits for the answer.
        resolve();
      });
      this.child.once('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      this.child.once('exit', (code, signal) => {
        clearTimeout(timer);
        reject(new Error(`the process that checks models ended with ${code ?? signal} while it started`));
      });
    });
  }

  private answer(order: CheckOrder, { timeoutMs, memoryBytes }: CheckLimits): Promise<CheckReport | Stopped> {
    return new Promise((resolve) => {
      const settle = (result: CheckReport | Stopped): void => {
        clearTimeout(timer);
        clearInterval(watch);
        resolve(result);
      };
      const timer = setTimeout(() => settle({ stopped: `took longer than ${timeoutMs} ms` }), timeoutMs);
      const watch = setInterval(() => {
        void residentBytes(this.child.pid).then((bytes) => {
          if (bytes > memoryBytes) settle({ stopped: `took more than ${memoryBytes} bytes of memory` });
        });
      }, lookEveryMs);
      this.child.once('message', (report: CheckReport) => settle(report));
      this.child.once('exit', (code, signal) => settle({ stopped: `ended the process with ${code ?? signal}` }));
      if (this.hasEnded) settle({ stopped: 'found its process gone' });
      else this.child.send(order, () => undefined); // A failed send is an exit, which is seen above.
    });
  }
}

/** 0 = it is gone, or this is no Linux. */
async function residentBytes(pid: number | undefined): Promise<number> {
  try {
    const [, pages] = (await readFile(`/proc/${pid}/statm`, 'latin1')).split(' ');
    return Number(pages) * 4_096;
  } catch {
    return 0; // The process ended between two looks; its exit says how.
  }
}
