import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '#libs/storage/sql-file.js';
import { freePort } from '#libs/testing/service-process.js';
import { ask } from './ask.js';
import type { Peer, PeerModel, Served } from './peer.js';
import { startPinned, untilTrue } from './start-pinned.js';

const run = promisify(execFile);

interface Bootstrap {
  ensurePython(options: { dir: string; lockFile: string; onProgress(line: string): void }): Promise<{ python: string }>;
}

export interface PythonPeer {
  /** Of its folder beside this file, with requirements.lock. */
  readonly folder: string;
  readonly name: string;
  readonly note: string;
  /** The distributions whose versions say what was measured. */
  readonly packages: readonly string[];
  /** How many ports its command needs; requests go to the first. */
  readonly ports: number;
  readonly wire: Pick<Served, 'protocol' | 'path' | 'headers' | 'request' | 'scores'>;
  /** What the interpreter is given. @param work a folder of its own for this run */
  command(ports: readonly number[], source: string, work: string): readonly string[];
}

const startsWithinMs = 90_000;
/** Any row: what is asked until the first answer. */
const zeros = new Float32Array(20);

/** A peer in a virtual environment of its own lock, made at its first use and kept in the cache. */
export function pythonPeer(spec: PythonPeer, cache: string, onProgress: (line: string) => void): Peer {
  const source = join(projectRoot(), 'load-tests/peers', spec.folder);
  const ensure = async (): Promise<string> => {
    const { ensurePython } = (await import(join(projectRoot(), 'services/trainer/python/bootstrap.mjs'))) as Bootstrap;
    const dir = join(cache, `python-${spec.folder}`);
    const tell = (line: string): void => {
      if (line.startsWith('creating')) onProgress(`${spec.folder}: ${line} and installing its packages`);
    };
    return (await ensurePython({ dir, lockFile: join(source, 'requirements.lock'), onProgress: tell })).python;
  };
  return {
    name: spec.name,
    note: spec.note,
    serve: async (model) => serve(spec, source, await ensure(), model),
    version: async () => versionsOf(await ensure(), spec.packages),
  };
}

async function serve(spec: PythonPeer, source: string, python: string, model: PeerModel): Promise<Served> {
  const ports: number[] = [];
  while (ports.length < spec.ports) ports.push(await freePort());
  const work = mkdtempSync(join(tmpdir(), `millrace-peer-${spec.folder}-`));
  const env = {
    MODEL_FILE: model.file,
    PYTHONPATH: `${join(source, '../python')}:${source}`,
    PATH: `${join(python, '..')}:${process.env['PATH']}`,
    // Nothing is told to the makers of what is measured, and nothing is asked of the network.
    BENTOML_DO_NOT_TRACK: 'True',
    LITSERVE_DISABLE_TELEMETRY: '1',
    BENTOML_HOME: work,
  };
  const child = startPinned(python, spec.command(ports, source, work), env, work);
  const served: Served = {
    ...spec.wire,
    pids: [child.pid],
    address: `127.0.0.1:${ports[0]}`,
    stop: async () => {
      await child.stop();
      rmSync(work, { recursive: true, force: true });
    },
  };
  const answers = (): Promise<boolean> =>
    ask(served, zeros).then(
      () => true,
      () => false, // not up yet; what it prints is told when it never comes
    );
  await untilTrue(answers, child, startsWithinMs);
  return served;
}

async function versionsOf(python: string, packages: readonly string[]): Promise<string> {
  const script = `from importlib.metadata import version\nprint(', '.join(f'{p} {version(p)}' for p in ${JSON.stringify(packages)}))`;
  return (await run(python, ['-c', script])).stdout.trim();
}
