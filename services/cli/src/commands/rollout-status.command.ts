import type { Command } from 'commander';
import { type Judgement, MonitorClient } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { RegistryClient, type Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson, printTable } from '../output.js';
import { plainRollout, showJudgement, showRollout, standing } from '../show-rollout.js';

const deadlineMs = 30_000;
const watchMs = 2_000;
const maxRollouts = 1_000;
const ends = ['live', 'aborted', 'superseded'];

interface StatusOptions extends OutputOptions {
  readonly watch?: boolean;
}

/** A rollout with its newest judgement; absent = none yet, or `judge` says why it cannot be had. */
interface Standing {
  readonly rollout: Rollout;
  readonly judgement: Judgement | undefined;
  readonly judge: string | undefined;
}

export function addRolloutStatusCommand(rollout: Command): void {
  rollout
    .command('status')
    .description('the newest rollout of an endpoint with its evidence, or of every endpoint in a line')
    .argument('[endpoint]')
    .option('--watch', 'show it again whenever it changes, until it has ended')
    .option('--json', 'print one JSON value; with --watch one for each change')
    .action(status);
}

async function status(endpoint: string | undefined, options: StatusOptions): Promise<void> {
  let shown = '';
  for (;;) {
    const found = endpoint === undefined ? await newestOfEach() : [await newestOf(endpoint)];
    const now = JSON.stringify(found.map(plain));
    if (now !== shown) show(found, endpoint !== undefined, options);
    shown = now;
    if (options.watch !== true || found.every(({ rollout }) => ends.includes(rollout.state))) return;
    await new Promise((resolve) => setTimeout(resolve, watchMs));
  }
}

async function newestOf(endpoint: string): Promise<Standing> {
  const rollout = await withPeer(RegistryClient, 'registry', (registry) =>
    registry.call((stub) => stub.getRollout, { endpoint, rolloutId: '' }, deadlineMs),
  );
  return { rollout, ...(await newestJudgement(rollout.rolloutId)) };
}

async function newestOfEach(): Promise<Standing[]> {
  const { rollouts } = await withPeer(RegistryClient, 'registry', (registry) =>
    registry.call((stub) => stub.listRollouts, { endpoint: '', limit: maxRollouts }, deadlineMs),
  );
  const newest = rollouts.filter(({ endpoint }, i) => rollouts.findIndex((other) => other.endpoint === endpoint) === i);
  return newest.map((rollout) => ({ rollout, judgement: undefined, judge: undefined }));
}

/** The rollout is shown without it where the monitor is away or does not judge. */
async function newestJudgement(rolloutId: string): Promise<Omit<Standing, 'rollout'>> {
  try {
    const { judgements } = await withPeer(MonitorClient, 'monitor', (monitor) =>
      monitor.call((stub) => stub.getJudgements, { rolloutId, limit: 1 }, deadlineMs),
    );
    return { judgement: judgements[0], judge: undefined };
  } catch (error) {
    if (error instanceof MillraceError && ['unimplemented', 'unavailable'].includes(error.code))
      return { judgement: undefined, judge: error.message };
    throw error;
  }
}

function plain({ rollout, judgement }: Standing): Record<string, unknown> {
  return { rollout: plainRollout(rollout), judgement: judgement ?? null };
}

function show(found: readonly Standing[], one: boolean, options: StatusOptions): void {
  if (options.json) return printJson(one ? plain(found[0]!) : found.map(({ rollout }) => plainRollout(rollout)));
  if (!one) return showEach(found);
  const { rollout, judgement, judge } = found[0]!;
  showRollout(rollout);
  print('');
  if (judgement !== undefined) showJudgement(judgement);
  else print(judge === undefined ? 'not judged yet' : `no judgements: ${judge}`);
  if (options.watch === true) print('');
}

function showEach(found: readonly Standing[]): void {
  const rows = found.map(({ rollout }) => [
    rollout.endpoint,
    rollout.candidate?.version,
    rollout.baseline?.version,
    standing(rollout),
    rollout.moves.at(-1)?.cause,
  ]);
  printTable(['ENDPOINT', 'VERSION', 'INSTEAD OF', 'STATE', 'LAST MOVE'], rows, 'no rollouts yet');
}
