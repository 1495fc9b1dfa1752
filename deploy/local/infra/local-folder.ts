import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonFile } from '#libs/storage/json-file.js';
import { freePort } from './ports.js';

/** Less than this and Kafka or ClickHouse would end in the middle of their work. */
const minFreeBytes = 512 * 1024 * 1024;

/** The folder of a local mesh: data, logs, pid files, a cache of what was downloaded, and the ports that were chosen. */
export class LocalFolder {
  private readonly ports: Record<string, number>;
  private readonly taken = new Set<number>();

  constructor(readonly root: string) {
    for (const part of ['data', 'logs', 'run']) mkdirSync(join(root, part), { recursive: true });
    const file = join(root, 'ports.json');
    this.ports = existsSync(file) ? readJsonFile<Record<string, number>>(file) : {};
  }

  data(name: string): string {
    const folder = join(this.root, 'data', name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  log(name: string): string {
    return join(this.root, 'logs', `${name}.log`);
  }

  pid(name: string): string {
    return join(this.root, 'run', `${name}.pid`);
  }

  /** Downloads are shared between folders where MILLRACE_CACHE says so. */
  cache(name: string): string {
    const folder = join(process.env['MILLRACE_CACHE'] ?? join(this.root, 'cache'), name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** The port of the last run where it is still free, else the preferred one, else any. */
  async port(name: string, preferred: number): Promise<number> {
    const port = await freePort(this.ports[name] ?? preferred, this.taken);
    this.ports[name] = port;
    writeFileSync(join(this.root, 'ports.json'), JSON.stringify(this.ports));
    return port;
  }

  /** One run at a time holds a folder. A holder that is gone (killed with -9) does not count. */
  hold(): void {
    const file = join(this.root, 'run', 'holder.pid');
    const holder = existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
    if (holder !== undefined && isRunning(holder))
      throw new Error(`${this.root} is in use by process ${holder}: stop it first (\`millrace down\`)`);
    writeFileSync(file, String(process.pid));
  }

  /** @throws Error when the disk is nearly full */
  requireSpace(minBytes = minFreeBytes): void {
    const { bavail, bsize } = statfsSync(this.root);
    const free = bavail * bsize;
    if (free < minBytes)
      throw new Error(
        `the disk of ${this.root} has ${Math.round(free / 2 ** 20)} MiB free, a mesh needs ${Math.round(minBytes / 2 ** 20)} MiB: make room, or name another folder in MILLRACE_DATA`,
      );
  }

  release(): void {
    rmSync(join(this.root, 'run', 'holder.pid'), { force: true });
  }

  /** Forgets all data; what was downloaded is kept. */
  clear(): void {
    for (const part of ['data', 'logs', 'artifacts', 'ports.json', 'secrets.json', 'infra-secrets.json'])
      rmSync(join(this.root, part), { recursive: true, force: true });
    mkdirSync(join(this.root, 'data'), { recursive: true });
    mkdirSync(join(this.root, 'logs'), { recursive: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // no such process
  }
}
