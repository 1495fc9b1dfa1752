import type { Command } from 'commander';
import {
  type Estimate,
  type GetPerformanceResponse,
  MonitorClient,
  type PerformancePart,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { parseDuration } from '#libs/definitions/duration.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson, printTable } from '../output.js';

interface PerformanceOptions extends OutputOptions {
  readonly segment?: string;
  readonly step?: string;
  readonly version?: string;
}

const deadlineMs = 60_000;
const metrics = ['auc', 'logloss', 'brier', 'ece', 'base_rate'];
/** In the tables of parts: what says how good it is, and what says of whom. */
const partMetrics = ['auc', 'logloss', 'base_rate'];

export function addPerformanceCommand(program: Command): void {
  program
    .command('performance')
    .description('how good predictions of an endpoint are: where labels came, and what scores alone say before')
    .argument('<endpoint>')
    .option('--segment <column>', 'a line for each value of a segment of the model too')
    .option('--step <duration>', 'a line for each window of this length too, e.g. 1d')
    .option('--version <number>', 'of this version; left out: of all together')
    .option('--json', 'print one JSON object')
    .action(showPerformance);
}

async function showPerformance(endpoint: string, options: PerformanceOptions): Promise<void> {
  const { segment = '', version: modelVersion = '' } = options;
  const request = { endpoint, modelVersion, fromMs: 0, toMs: 0, segment, stepMs: stepOf(options.step) };
  const found = await withPeer(MonitorClient, 'monitor', (monitor) =>
    monitor.call((stub) => stub.getPerformance, request, deadlineMs),
  );
  if (options.json) return printJson(found);
  showWhole(found);
  if (segment !== '') showParts(segment.toUpperCase(), found.segments, (one) => one.segment);
  if (options.step !== undefined) showParts('FROM', found.windows, ({ fromMs }) => new Date(fromMs).toISOString());
}

function showWhole({ predictions, labelled, metrics: realised, estimated, concept }: GetPerformanceResponse): void {
  print(`${predictions} predictions, ${labelled} labelled\n`);
  const rows = metrics
    .filter((name) => realised[name] !== undefined || estimated[name] !== undefined)
    .map((name) => [name, withInterval(realised[name]), withInterval(estimated[name])]);
  printTable(['METRIC', 'REALISED', 'ESTIMATED'], rows, 'no labels, and no version with a reference');
  if (concept !== undefined)
    print(`\nconcept drift: ${withInterval(concept)} nats of log-loss beyond what calibrated scores expect`);
}

function showParts(
  heading: string,
  parts: readonly PerformancePart[],
  nameOf: (part: PerformancePart) => string,
): void {
  print('');
  const headings = partMetrics.flatMap((name) => [name.toUpperCase(), `${name.toUpperCase()} ESTIMATED`]);
  const rows = parts.map((part) => [
    nameOf(part),
    part.predictions,
    part.labelled,
    ...partMetrics.flatMap((name) => [withInterval(part.metrics[name]), withInterval(part.estimated[name])]),
  ]);
  printTable([heading, 'PREDICTIONS', 'LABELLED', ...headings], rows, 'no predictions');
}

/** `0.8461 [0.8402, 0.8519]`: 95 %; undefined = there is none. */
function withInterval(estimate: Estimate | undefined): string | undefined {
  if (estimate === undefined) return undefined;
  const [value, low, high] = [estimate.value, estimate.low, estimate.high].map((one) => one.toFixed(4));
  return `${value} [${low}, ${high}]`;
}

/** 0 = no windows. @throws MillraceError invalid-argument */
function stepOf(step: string | undefined): number {
  if (step === undefined) return 0;
  try {
    return parseDuration(step);
  } catch (error) {
    throw new MillraceError('invalid-argument', `--step: ${errorMessage(error)}`, { cause: error });
  }
}
