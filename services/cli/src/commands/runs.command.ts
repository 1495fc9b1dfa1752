import type { Command } from 'commander';
import { type Run, TrainerClient } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Peer } from '#libs/rpc/grpc-client.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson, printTable } from '../output.js';
import { hasEnded, newlySucceeded, parseTime } from './run-progress.js';

interface TrainOptions extends OutputOptions {
  readonly from?: string;
  readonly to?: string;
  readonly wait?: boolean;
}

const callMs = 30_000;
/** A run may wait for others before it. */
const watchMs = 24 * 3_600_000;

export function addRunsCommands(program: Command): void {
  program
    .command('train')
    .description('start a run of a pipeline')
    .argument('<pipeline>')
    .option('--from <time>', "event time, RFC 3339; left out: the end minus the pipeline's window")
    .option('--to <time>', 'event time, RFC 3339; left out: as far as all streams are known')
    .option('--wait', 'until it has ended, with its steps; exit 1 unless it has succeeded')
    .option('--json', 'print one JSON object')
    .action(train);
  const runs = program
    .command('runs')
    .description('runs of pipelines, newest first')
    .argument('[pipeline]', 'of this pipeline only')
    .option('--limit <runs>', 'at most so many', '20')
    .option('--json', 'print one JSON object')
    .action(listRuns);
  runs
    .command('describe')
    .description('one run with its steps and metrics')
    .argument('<id>')
    .option('--json', 'print one JSON object')
    .action(describeRun);
}

async function train(pipeline: string, options: TrainOptions): Promise<void> {
  const [dataFromMs, dataToMs] = [parseTime('--from', options.from), parseTime('--to', options.to)];
  const request = { pipeline, reason: 'manual', dataFromMs, dataToMs, validateFromMs: 0, idempotencyKey: '' };
  await withPeer(TrainerClient, 'trainer', async (trainer) => {
    const started = await trainer.call((stub) => stub.startRun, request, callMs);
    const quiet = options.json === true;
    if (!quiet) print(`run ${started.runId} of ${pipeline}`);
    const run = options.wait ? await watch(trainer, started, quiet) : started;
    if (quiet) printJson(run);
    else if (options.wait) print(`${run.state}${run.error === '' ? '' : `: ${run.error}`}`);
    if (options.wait && run.state !== 'succeeded') process.exitCode = 1;
  });
}

/** The run as it ended; prints each step as it succeeds. */
async function watch(trainer: Peer<TrainerClient>, started: Run, quiet: boolean): Promise<Run> {
  let last = started;
  for await (const run of trainer.stream((stub) => stub.watchRun, { runId: started.runId }, watchMs)) {
    if (!quiet) for (const { name, message } of newlySucceeded(last, run)) print(`  ${name}: ${message}`);
    last = run;
  }
  if (!hasEnded(last))
    throw new MillraceError('unavailable', `the trainer ended the watch while run ${last.runId} is ${last.state}`);
  return last;
}

async function listRuns(pipeline: string | undefined, options: OutputOptions & { limit: string }): Promise<void> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000)
    throw new MillraceError('invalid-argument', `--limit "${options.limit}" is not a whole number from 1 to 1000`);
  const { runs } = await withPeer(TrainerClient, 'trainer', (trainer) =>
    trainer.call((stub) => stub.listRuns, { pipeline: pipeline ?? '', limit }, callMs),
  );
  if (options.json) return printJson({ runs });
  const rows = runs.map((run) => [
    run.runId,
    run.pipeline,
    run.state,
    run.modelVersion,
    run.reason,
    when(run.createdMs),
  ]);
  printTable(['RUN', 'PIPELINE', 'STATE', 'VERSION', 'REASON', 'WHEN'], rows, 'there are no runs');
}

/** `runs` has --json too, and takes it where it stands after `describe`. */
async function describeRun(runId: string, _options: OutputOptions, command: Command): Promise<void> {
  const run = await withPeer(TrainerClient, 'trainer', (trainer) =>
    trainer.call((stub) => stub.getRun, { runId }, callMs),
  );
  if (command.optsWithGlobals<OutputOptions>().json) return printJson(run);
  const about = [
    ['pipeline', run.pipeline],
    ['model', run.model],
    ['state', run.state],
    ['reason', run.reason],
    ['when', when(run.createdMs)],
    ['version', run.modelVersion],
    ['dataset', run.datasetSha256],
    ['error', run.error],
  ];
  printTable(['RUN', run.runId], about, '');
  print('');
  const steps = run.steps.map((s) => [s.name, s.state, s.attempt, seconds(s.startedMs, s.finishedMs), s.message]);
  printTable(['STEP', 'STATE', 'ATTEMPT', 'SECONDS', 'MESSAGE'], steps, '');
  print('');
  const metrics = Object.entries(run.metrics).sort(([a], [b]) => (a < b ? -1 : 1));
  printTable(['METRIC', 'VALUE'], metrics, 'no metrics yet');
}

function when(ms: number): string {
  return new Date(ms).toISOString();
}

function seconds(startedMs: number, finishedMs: number): string {
  return finishedMs === 0 ? '' : ((finishedMs - startedMs) / 1_000).toFixed(1);
}
