import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { ArtifactStore } from '#libs/storage/artifact-store.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { type JobQuestion, type JobResult, JobRunner } from '../domain/ports.js';

export interface JobLimits {
  readonly threads: number;
  readonly wallSeconds: number;
  readonly rssMb: number;
}

/** The events of protocol mesh-job/1 that are read here; others pass. */
type JobEvent =
  | { readonly type: 'progress'; readonly stage: string; readonly pct: number }
  | { readonly type: 'model'; readonly onnx: { readonly input: string; readonly output: string } }
  | {
      readonly type: 'failed';
      readonly class: string;
      readonly code: string;
      readonly message: string;
      readonly fields?: readonly { field: string; problem: string }[];
    }
  | {
      readonly type: 'finished';
      readonly metrics: Record<string, number | string>;
      readonly artifacts: readonly { path: string; kind: string; sha256: string }[];
    }
  | { readonly type: 'other' };

const heartbeatSeconds = 2;
const silentMs = 60_000;
const killGraceMs = 5_000;
/** infra/io and killed from outside: another attempt may succeed. */
const passingExits = new Set([75, 137]);

/** Jobs as child processes of the locked Python, over protocol mesh-job/1: one JSON line in, one JSON line an event out on descriptor 3. */
export class PythonJobRunner extends JobRunner {
  constructor(
    private readonly python: string,
    private readonly folder: string,
    private readonly artifacts: ArtifactStore,
    private readonly limits: JobLimits,
  ) {
    super();
  }

  override async run(
    question: JobQuestion,
    onProgress: (done: number, message: string) => void,
    signal: AbortSignal,
  ): Promise<JobResult> {
    const workDir = join(this.folder, question.runId, question.step, String(question.attempt));
    endLeftOver(join(this.folder, question.runId, 'job.pid'));
    rmSync(workDir, { recursive: true, force: true });
    mkdirSync(join(workDir, 'out'), { recursive: true });
    signal.throwIfAborted();
    const child = this.spawn(workDir);
    writeFileSync(join(this.folder, question.runId, 'job.pid'), String(child.pid));
    const cancel = (): void => void child.stdin!.write('{"type":"cancel","reason":"the run was stopped"}\n');
    signal.addEventListener('abort', cancel);
    try {
      child.stdin!.on('error', () => undefined); // it ended before it read: its exit says why
      child.stdin!.write(`${JSON.stringify(this.specOf(question, workDir))}\n`);
      const { last, onnx } = await follow(child, onProgress);
      return check(last, onnx, await exitOf(child));
    } finally {
      signal.removeEventListener('abort', cancel);
      endGroup(child);
    }
  }

  private spawn(workDir: string): ChildProcess {
    const log = createWriteStream(join(workDir, 'output.log'));
    const child = spawn(this.python, ['-u', '-P', '-X', 'faulthandler', '-m', 'mesh_runtime'], {
      cwd: workDir,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'] ?? '',
        PYTHONPATH: join(projectRoot(), 'services/trainer/python'),
        PYTHONHASHSEED: '0',
      },
    });
    child.stdout!.pipe(log);
    child.stderr!.pipe(log);
    return child;
  }

  private specOf({ runId, kind, attempt, plan, dataset, features, model, onnx }: JobQuestion, workDir: string): object {
    const { train } = plan.pipeline;
    const data = {
      uri: this.artifacts.path(dataset.sha256),
      format: 'parquet',
      sha256: dataset.sha256,
      row_count: dataset.rows,
    };
    const inputs = {
      ...(model === undefined ? {} : { model: model.path, model_sha256: model.sha256 }),
      ...(onnx === undefined ? {} : { onnx }),
    };
    return {
      v: 'mesh-job/1',
      job_id: `${runId}-${kind}`,
      attempt,
      kind,
      run_id: runId,
      algorithm: train.algorithm,
      task: plan.model.task,
      params: train.params,
      ...(kind === 'train' && train.search !== undefined ? { search: searchOf(train.search) } : {}),
      ...(kind === 'convert' ? {} : { data }),
      features,
      output_dir: join(workDir, 'out'),
      ...(Object.keys(inputs).length > 0 ? { inputs } : {}),
      limits: { threads: this.limits.threads, wall_s: this.limits.wallSeconds, rss_mb: this.limits.rssMb },
      heartbeat_s: heartbeatSeconds,
    };
  }
}

function searchOf({
  trials,
  sampler,
  pruner,
  space,
}: NonNullable<JobQuestion['plan']['pipeline']['train']['search']>): object {
  const dimensions = Object.entries(space).map(([name, one]) => [
    name,
    one.kind === 'choice' ? { choice: one.values } : { [one.kind]: [one.low, one.high], log: one.log },
  ]);
  return { trials, sampler, pruner, space: Object.fromEntries(dimensions) as object };
}

interface Followed {
  last: JobEvent;
  onnx: JobResult['onnx'];
}

/** Reads events to the end; a job that says nothing for a minute is ended. */
async function follow(child: ChildProcess, onProgress: (done: number, message: string) => void): Promise<Followed> {
  const followed: Followed = { last: { type: 'other' }, onnx: undefined };
  let watchdog: NodeJS.Timeout | undefined;
  const sign = (): void => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => endGroup(child), silentMs);
  };
  sign();
  child.on('error', () => undefined); // the missing exit code says it
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    sign();
    const event = JSON.parse(line) as JobEvent;
    followed.last = event;
    if (event.type === 'progress') onProgress(event.pct / 100, event.stage);
    if (event.type === 'model') followed.onnx = { input: event.onnx.input, output: event.onnx.output };
  }
  clearTimeout(watchdog);
  return followed;
}

function exitOf(child: ChildProcess): Promise<number> {
  const code = (): number => child.exitCode ?? (child.signalCode === null ? -1 : 137);
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(code());
  return new Promise((resolve) => {
    const force = setTimeout(() => endGroup(child), killGraceMs);
    child.once('close', () => {
      clearTimeout(force);
      resolve(code());
    });
  });
}

function check(last: JobEvent, onnx: JobResult['onnx'], exit: number): JobResult {
  if (last.type === 'failed') {
    const fields = last.fields?.map(({ field, problem }) => ` ${field}: ${problem}`).join(';') ?? '';
    throw new MillraceError(
      passingExits.has(exit) ? 'unavailable' : 'failed-precondition',
      `${last.code}: ${last.message}${fields}`,
    );
  }
  if (last.type !== 'finished' || exit !== 0)
    throw new MillraceError('unavailable', `the job ended with exit ${exit} and without a last word: was it killed?`);
  for (const { path, sha256 } of last.artifacts) {
    const actual = createHash('sha256').update(readFileSync(path)).digest('hex');
    if (actual !== sha256)
      throw new MillraceError('unavailable', `artifact ${path} has the hash ${actual}, the job said ${sha256}`);
  }
  const metrics = Object.fromEntries(Object.entries(last.metrics).map(([name, value]) => [name, Number(value)]));
  return { metrics, artifacts: new Map(last.artifacts.map((artifact) => [artifact.kind, artifact])), onnx };
}

/** The job and whatever it started. */
function endGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // ESRCH: it has just ended
  }
}

/** A job of a trainer that was killed has lost its stdin and ends by itself; one that hangs is ended here, if its command line says that it is ours. */
function endLeftOver(pidFile: string): void {
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, 'utf8'));
  const commandLine = `/proc/${pid}/cmdline`;
  if (pid > 1 && existsSync(commandLine) && readFileSync(commandLine, 'utf8').includes('mesh_runtime'))
    process.kill(-pid, 'SIGKILL');
  rmSync(pidFile, { force: true });
}
