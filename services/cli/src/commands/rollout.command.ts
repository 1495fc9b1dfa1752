import type { Command } from 'commander';
import { RegistryClient, type Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Peer } from '#libs/rpc/grpc-client.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson, printTable } from '../output.js';
import { plainRollout, showRollout } from '../show-rollout.js';
import { addRolloutStatusCommand } from './rollout-status.command.js';

const deadlineMs = 30_000;
const maxRollouts = 1_000;

interface CauseOptions extends OutputOptions {
  readonly cause: string;
}

interface StartOptions extends CauseOptions {
  readonly version: string;
  readonly fromStep: string;
}

const moves = {
  promote: 'take the next step now, or go live after the last, without a verdict',
  pause: 'show the candidate no requests until it is resumed',
  resume: 'go on with the step that was paused',
  abort: 'end the rollout; what is live stays',
};

export function addRolloutCommands(program: Command): void {
  const rollout = program.command('rollout').description('versions on their way to live');
  rollout
    .command('start')
    .description('offer a version to an endpoint: step by step where it has steps, else live at once')
    .argument('<endpoint>')
    .requiredOption('--version <number>', 'of the model of the endpoint')
    .option('--from-step <index>', 'begin at this step, counted from 0', '0')
    .option('--cause <text>', 'why, for those who ask later', '')
    .option('--json', 'print one JSON object')
    .action(start);
  addRolloutStatusCommand(rollout);
  rollout
    .command('history')
    .description('all rollouts, newest first')
    .argument('[endpoint]', 'of this endpoint only')
    .option('--json', 'print one JSON array')
    .action(history);
  for (const [action, description] of Object.entries(moves))
    rollout
      .command(action)
      .description(description)
      .argument('<endpoint>')
      .option('--cause <text>', 'why, for those who ask later', '')
      .option('--json', 'print one JSON object')
      .action((endpoint: string, options: CauseOptions) => move(endpoint, action, options));
  rollout
    .command('undo')
    .description('make live what was live before; a rollout that is under way is superseded')
    .argument('<endpoint>')
    .option('--cause <text>', 'why, for those who ask later', '')
    .option('--json', 'print one JSON object')
    .action(undo);
}

const withRegistry = <T>(work: (registry: Peer<RegistryClient>) => Promise<T>): Promise<T> =>
  withPeer(RegistryClient, 'registry', work);

async function start(endpoint: string, options: StartOptions): Promise<void> {
  const fromStep = Number(options.fromStep);
  if (!Number.isInteger(fromStep) || fromStep < 0)
    throw new MillraceError('invalid-argument', `--from-step "${options.fromStep}" is not a whole number from 0`);
  const request = { endpoint, version: options.version, cause: options.cause, fromStep };
  report(await withRegistry((registry) => registry.call((stub) => stub.startRollout, request, deadlineMs)), options);
}

/** Of the endpoint's newest rollout; the registry says what can be done where it cannot move so. */
async function move(endpoint: string, action: string, options: CauseOptions): Promise<void> {
  const moved = await withRegistry(async (registry) => {
    const { rolloutId } = await registry.call((stub) => stub.getRollout, { endpoint, rolloutId: '' }, deadlineMs);
    return registry.call((stub) => stub.moveRollout, { rolloutId, action, cause: options.cause }, deadlineMs);
  });
  report(moved, options);
}

function report(rollout: Rollout, options: OutputOptions): void {
  if (options.json) printJson(plainRollout(rollout));
  else showRollout(rollout);
}

async function history(endpoint: string | undefined, options: OutputOptions): Promise<void> {
  const request = { endpoint: endpoint ?? '', limit: maxRollouts };
  const { rollouts } = await withRegistry((registry) =>
    registry.call((stub) => stub.listRollouts, request, deadlineMs),
  );
  if (options.json) return printJson(rollouts.map(plainRollout));
  const rows = rollouts.map((one) => [
    new Date(one.startedMs).toISOString(),
    one.endpoint,
    one.candidate?.version,
    one.baseline?.version,
    one.state,
    one.startedBy,
    one.cause,
    one.moves.at(-1)?.cause,
  ]);
  const headings = ['STARTED', 'ENDPOINT', 'VERSION', 'INSTEAD OF', 'STATE', 'BY', 'CAUSE', 'LAST MOVE'];
  printTable(headings, rows, 'no rollouts; `millrace rollout start <endpoint> --version <number>` begins one');
}

async function undo(endpoint: string, options: CauseOptions): Promise<void> {
  const route = await withRegistry(async (registry) => {
    const { live, previous } = await registry.call((stub) => stub.getRoute, { endpoint }, deadlineMs);
    if (previous === undefined)
      throw new MillraceError(
        'failed-precondition',
        `${endpoint}: nothing was live before ${live === undefined ? 'now' : `version ${live.version}`}, so there is nothing to go back to`,
      );
    const cause = options.cause || `undo of version ${live?.version}`;
    return registry.call((stub) => stub.setLive, { endpoint, version: previous.version, cause }, deadlineMs);
  });
  if (options.json)
    return printJson({
      endpoint,
      live: route.live?.version,
      previous: route.previous?.version,
      generation: route.generation,
      cause: route.cause,
    });
  print(`${endpoint}: version ${route.live?.version} is live, instead of ${route.previous?.version}`);
}
