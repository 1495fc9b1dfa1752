import type { Command } from 'commander';
import {
  ListPredictionsRequest,
  type LoggedPrediction,
  MonitorClient,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson, printTable } from '../output.js';
import { explainPrediction } from './explain-prediction.js';
import { parseTime } from './run-progress.js';

const deadlineMs = 60_000;
const mostRows = 1_000;

interface ListOptions extends OutputOptions {
  readonly version?: string;
  readonly arm?: string;
  readonly from?: string;
  readonly to?: string;
  readonly key?: string;
  readonly label?: string;
  readonly limit: string;
  readonly before?: string;
}

export function addPredictionsCommand(program: Command): void {
  const predictions = program.command('predictions').description('the prediction log');
  predictions
    .command('explain')
    .description('what each feature contributed to a logged prediction, by the version that answered it')
    .argument('<prediction id>', 'as the answer has it, and `millrace logs`')
    .option('--json', 'print one JSON object')
    .action(explainPrediction);
  predictions
    .command('list')
    .description('logged predictions of an endpoint with their labels, newest first')
    .argument('<endpoint>')
    .option('--version <number>', 'by this version')
    .option('--arm <arm>', 'answered by: live or canary')
    .option('--from <time>', 'as of this instant or later, RFC 3339')
    .option('--to <time>', 'as of an instant before this one, RFC 3339')
    .option('--key <key>', 'with this key, which labels are joined by')
    .option('--label <which>', 'known or missing')
    .option('--limit <rows>', 'at most so many', '50')
    .option('--before <cursor>', 'the page after that which ended with this cursor')
    .option('--json', 'print one JSON object')
    .action(list);
}

async function list(endpoint: string, options: ListOptions): Promise<void> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > mostRows)
    throw new MillraceError('invalid-argument', `--limit "${options.limit}" is not a whole number from 1 to 1000`);
  const request = ListPredictionsRequest.fromPartial({
    endpoint,
    modelVersion: options.version ?? '',
    arm: options.arm ?? '',
    fromMs: parseTime('--from', options.from),
    toMs: parseTime('--to', options.to),
    joinKey: options.key ?? '',
    label: options.label ?? '',
    limit,
    before: options.before ?? '',
  });
  const { predictions, next } = await withPeer(MonitorClient, 'monitor', (monitor) =>
    monitor.call((stub) => stub.listPredictions, request, deadlineMs),
  );
  if (options.json) return printJson({ predictions: predictions.map(plain), next });
  const headings = [
    'PREDICTION',
    'AS OF',
    'VERSION',
    'ARM',
    'KEY',
    'SCORE',
    'LABEL',
    'MS',
    'FEATURES MS',
    'INFER MS',
    '',
  ];
  printTable(headings, predictions.map(columns), 'no predictions');
  if (next !== '') print(`more: --before ${next}`);
}

function columns(one: LoggedPrediction): unknown[] {
  return [
    one.predictionId,
    new Date(one.asOfMs).toISOString(),
    one.modelVersion,
    one.arm,
    one.joinKey,
    one.score.toFixed(4),
    one.label,
    ...[one.latencyUs, one.featuresUs, one.inferUs].map((us) => (us / 1_000).toFixed(1)),
    // A space, for what is empty is shown as '-'.
    marksOf(one) || ' ',
  ];
}

function marksOf(one: LoggedPrediction): string {
  const marks = {
    fallback: one.fallback,
    cached: one.cached,
    explained: one.explained,
    'sampled out': one.payloadSampledOut,
    feedback: one.labelSource === 'feedback',
  };
  return Object.entries(marks)
    .filter(([, holds]) => holds)
    .map(([mark]) => mark)
    .join(', ');
}

/** As JSON shows it: the request as it was asked; features by name where names are known, else in the order of the vector; null where there is no value. */
function plain({ requestJson, features, featureNames, label, ...rest }: LoggedPrediction): Record<string, unknown> {
  const named = featureNames.length === features.length && features.length > 0;
  return {
    ...rest,
    label: label ?? null,
    request: JSON.parse(requestJson.toString() || 'null') as unknown,
    features: named ? Object.fromEntries(featureNames.map((name, i) => [name, features[i]])) : features,
  };
}
