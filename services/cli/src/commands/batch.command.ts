import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { MillraceError } from '#libs/errors/millrace-error.js';
import {
  checkedId,
  derivedId,
  duration,
  type HowOptions,
  orderOf,
  type RunOptions,
  wholeNumber,
} from '../batch/read-order.js';
import { RunFolder } from '../batch/run-folder.js';
import { BatchDisplay } from '../batch/show-batch.js';
import { type BatchOptions, forgetRun, runBatch } from '../batch/start-batch.js';
import type { BatchOrder } from '../domain/batch/batch-plan.js';
import type { BatchProgress } from '../domain/batch/batch-progress.js';
import { dataFolder } from '../connection.js';
import { type OutputOptions, printJson, printTable } from '../output.js';

export function addBatchCommand(program: Command): void {
  const batch = program.command('batch').description('predictions for the rows of a file or a query');
  withHow(
    batch
      .command('run')
      .description('asks an endpoint for every row; given again, the same command goes on where it was broken off')
      .argument('<endpoint>')
      .option('--input <file>', 'rows: .jsonl, .csv or .parquet')
      .option('--query <sql>', 'or a ClickHouse query, which is asked once')
      .option('--output <file>', 'scores: .jsonl or .csv')
      .option('--table <database.table>', 'or a ClickHouse table, made where there is none')
      .option('--version <number>', 'of the model; left out: whichever is live')
      .option('--keep <columns>', 'of the input that stand in the output too, with commas; left out: all but features')
      .option('--rows-per-request <n>', '1 to 1000', '250')
      .option('--run-id <id>', 'what the run is called; left out: by what the command says')
      .option('--fresh', 'throw away what the run has done, and begin anew'),
  ).action(run);
  withHow(batch.command('resume').description('goes on with a run that was broken off').argument('<run id>')).action(
    resume,
  );
  batch
    .command('list')
    .description('the runs of this data folder')
    .option('--json', 'print one JSON array')
    .action(list);
}

function withHow(command: Command): Command {
  return command
    .option('--concurrency <n>', 'requests at a time, 1 to 64', '2')
    .option('--max-errors <n>', 'rows that may be refused before the run ends', '100')
    .option('--give-up-after <duration>', 'how long a request is asked again, e.g. 10m', '10m')
    .option('--block-bytes <n>', 'scores that go into a table at a time, 65536 to 67108864', '4194304')
    .option('--json', 'print one JSON object');
}

async function run(endpoint: string, options: RunOptions): Promise<void> {
  const order = orderOf(endpoint, options);
  const runId = options.runId === undefined ? derivedId(order) : checkedId(options.runId);
  await withRun(runId, async (folder) => {
    if (options.fresh === true) forgetRun(folder);
    const endedAt = folder.plan() === undefined ? undefined : folder.progress().endedAt;
    // A name that was given says that this work is meant, and no other. One that was made of the command may be meant for another day.
    if (endedAt !== undefined && options.runId === undefined)
      throw new MillraceError(
        'already-exists',
        `run ${runId} ended at ${endedAt}; --fresh does the same again, and --run-id <another> beside it`,
      );
    await work(folder, order, options);
  });
}

async function resume(runId: string, options: HowOptions): Promise<void> {
  const known = RunFolder.list(runsFolder()).find((one) => one.runId === runId);
  if (known === undefined)
    throw new MillraceError(
      'not-found',
      `run "${runId}" is not one of this data folder; \`millrace batch list\` has them`,
    );
  await withRun(runId, (folder) => work(folder, known.plan.order, options));
}

async function withRun(runId: string, what: (folder: RunFolder) => Promise<void>): Promise<void> {
  const folder = RunFolder.take(runsFolder(), runId);
  try {
    await what(folder);
  } finally {
    folder.release();
  }
}

async function work(folder: RunFolder, order: BatchOrder, options: HowOptions): Promise<void> {
  const display = new BatchDisplay();
  const given = new AbortController();
  const how: BatchOptions = {
    concurrency: wholeNumber('--concurrency', options.concurrency, 1, 64),
    maxErrors: wholeNumber('--max-errors', options.maxErrors, 0, Number.MAX_SAFE_INTEGER),
    blockBytes: wholeNumber('--block-bytes', options.blockBytes, 65_536, 67_108_864),
    retry: {
      giveUpAfterMs: duration('--give-up-after', options.giveUpAfter),
      onRetry: (error) => display.refused(error),
      clock: {
        nowMs: () => performance.now(),
        sleep: (ms) => sleep(ms, undefined, { signal: given.signal }),
        random: Math.random,
      },
    },
    onStart: (plan, input, progress) => display.start(folder.runId, plan, input, progress),
    onProgress: (progress) => display.progress(progress),
  };
  try {
    const { endedAt } = folder.progress();
    const progress = endedAt === undefined ? await runBatch(folder, order, how) : folder.progress();
    display.leave();
    show(folder, order, progress, display, options);
    if (progress.rejected > 0) process.exitCode = 2;
  } finally {
    display.leave();
    given.abort();
  }
}

function show(
  folder: RunFolder,
  { endpoint, output }: BatchOrder,
  { answered, rejected, fallbacks, versions, endedAt }: BatchProgress,
  display: BatchDisplay,
  { json }: OutputOptions,
): void {
  const refused = 'path' in output ? `${output.path}.rejected.jsonl` : folder.file('rejected.jsonl');
  const summary = {
    runId: folder.runId,
    endpoint,
    answered,
    rejected,
    fallbacks,
    versions,
    retries: display.retries,
    seconds: display.seconds(),
    endedAt,
    output: 'path' in output ? output.path : output.table,
    rejectedFile: refused,
  };
  if (json === true) return printJson(summary);
  const { runId, seconds } = summary;
  printTable(
    ['RUN', 'ANSWERED', 'REFUSED', 'FALLBACKS', 'BY VERSION', 'SECONDS', 'OUTPUT'],
    [[runId, answered, rejected, fallbacks, versions, seconds, summary.output]],
    '',
  );
  if (rejected > 0) process.stderr.write(`${rejected} rows were refused: ${refused}\n`);
}

function list(options: OutputOptions): void {
  const runs = RunFolder.list(runsFolder()).map(({ runId, plan, progress }) => ({
    runId,
    endpoint: plan.order.endpoint,
    startedAt: plan.startedAt,
    endedAt: progress.endedAt,
    answered: progress.answered,
    rejected: progress.rejected,
    output: 'path' in plan.order.output ? plan.order.output.path : plan.order.output.table,
  }));
  if (options.json === true) return printJson(runs);
  printTable(
    ['RUN', 'ENDPOINT', 'STARTED', 'ENDED', 'ANSWERED', 'REFUSED', 'OUTPUT'],
    runs.map((one) => Object.values(one)),
    'no batch runs',
  );
}

const runsFolder = (): string => join(dataFolder(), 'batch');
