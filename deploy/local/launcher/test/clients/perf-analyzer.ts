import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '#libs/storage/cache-folder.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { layOutDebianPackages } from '#libs/testing/debian-packages.js';
import { madeOnce } from '#libs/testing/made-once.js';
import { ensurePython } from '../../training-python.js';

const run = promisify(execFile);
const cache = cacheFolder();
const lock = join(projectRoot(), 'services/trainer/python/requirements-perf-analyzer.lock');
/** What the wheel's binary was built for. */
const [neededGlibc, suiteThatHasIt] = [2.38, 'trixie'];
const libraries = ['libc6', 'libstdc++6', 'libgcc-s1', 'libssl3t64', 'zlib1g', 'libzstd1'];
const machines: Readonly<Record<string, { wheel: string; triplet: string }>> = {
  x64: { wheel: 'manylinux_2_38_x86_64', triplet: 'x86_64-linux-gnu' },
  arm64: { wheel: 'manylinux_2_38_aarch64', triplet: 'aarch64-linux-gnu' },
};

/** What one run of it measured. */
export interface Analysis {
  /** All that it printed. */
  readonly said: string;
  /** One for each rate or concurrency that it was told to try. */
  readonly throughputs: readonly number[];
  /** In its measurements, those that failed and those that answered. */
  readonly failed: number;
  readonly answered: number;
}

/** Triton's perf_analyzer, as it is, laid out in the cache. @param args its own, without where reports go @throws Error when it cannot be had, or ends with another code than 0 */
export async function analyze(args: readonly string[]): Promise<Analysis> {
  const [command, ...before] = await ensurePerfAnalyzer();
  const folder = await mkdtemp(join(tmpdir(), 'millrace-perf-analyzer-'));
  try {
    const [csv, profile] = [join(folder, 'report.csv'), join(folder, 'profile.json')];
    const all = [...before, ...args, '-f', csv, '--profile-export-file', profile];
    const { stdout, stderr } = await run(command!, all, { maxBuffer: 1 << 26 });
    return { said: stdout + stderr, ...requestsOf(await readFile(profile, 'utf8')), throughputs: await columnOf(csv) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function columnOf(csv: string): Promise<number[]> {
  const [header = '', ...lines] = (await readFile(csv, 'utf8')).trim().split('\n');
  const column = header.split(',').indexOf('Inferences/Second');
  return lines.map((line) => Number(line.split(',')[column]));
}

function requestsOf(profile: string): Pick<Analysis, 'failed' | 'answered'> {
  const { experiments } = JSON.parse(profile) as {
    experiments: { requests: { success?: boolean; response_timestamps: unknown[] }[] }[];
  };
  const requests = experiments.flatMap((experiment) => experiment.requests);
  const failed = requests.filter((one) => one.success === false || one.response_timestamps.length === 0).length;
  return { failed, answered: requests.length - failed };
}

/** The command: the binary, behind the loader and the libraries of a newer Debian where this machine's are too old. */
async function ensurePerfAnalyzer(): Promise<string[]> {
  const machine = machines[process.arch];
  if (machine === undefined)
    throw new Error(`perf_analyzer is built for ${Object.keys(machines).join(' and ')}, not for ${process.arch}`);
  const binary = join(await layOutWheel(machine.wheel), 'perf_analyzer/bin/perf_analyzer');
  const glibc = ownGlibc();
  if (glibc >= neededGlibc) return [binary];
  const folder = join(cache, `perf-analyzer-${suiteThatHasIt}`);
  await layOutDebianPackages(folder, libraries, suiteThatHasIt).catch((cause: unknown) => {
    throw new Error(`perf_analyzer needs glibc ${neededGlibc}, this machine has ${glibc}. ${String(cause)}`, { cause });
  });
  const path = join(folder, 'usr/lib', machine.triplet);
  const loader = machine.triplet.startsWith('x86') ? 'ld-linux-x86-64.so.2' : 'ld-linux-aarch64.so.1';
  return [join(path, loader), '--library-path', path, binary];
}

/** Once for each content of the lock. */
async function layOutWheel(platform: string): Promise<string> {
  const hash = createHash('sha256').update(await readFile(lock));
  const folder = join(cache, `perf-analyzer-${hash.digest('hex').slice(0, 12)}`);
  return madeOnce(folder, async (made) => {
    const python = await ensurePython('python-test', 'requirements-test.lock', () => undefined);
    const where = ['--target', made, '--platform', platform, '--only-binary', ':all:', '--no-deps'];
    const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--require-hashes'];
    await run(python, [...pip, ...where, '-r', lock]);
  });
}

/** As a number, 2.36, for its minor versions have had two digits since 2010; 0 where the C library is another. */
function ownGlibc(): number {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return Number(header.glibcVersionRuntime ?? 0);
}
