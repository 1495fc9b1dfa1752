import type { Command } from 'commander';
import { type Approval, GovernanceClient } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Peer } from '#libs/rpc/grpc-client.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson, printTable } from '../output.js';

const callMs = 30_000;
/** As the registry's errors and tables show a digest; governance takes no shorter one. */
const shownDigest = 12;

interface ListOptions extends OutputOptions {
  readonly waiting?: boolean;
}

interface VoteOptions extends OutputOptions {
  readonly comment: string;
}

export function addApprovalsCommands(program: Command): void {
  const approvals = program.command('approvals').description('what policies ask people before a version is served');
  approvals
    .command('list')
    .description('newest first')
    .option('--waiting', 'what waits for somebody only')
    .option('--json', 'print one JSON array')
    .action(list);
  approvals
    .command('show')
    .description('one with all that is approved, and who voted')
    .argument('<digest>', 'or its first 12 or more characters')
    .option('--json', 'print one JSON object')
    .action(show);
  for (const [action, description] of [
    ['approve', 'agree; with the last vote that is needed the rollout begins'],
    ['reject', 'disagree: the rollout ends'],
  ] as const)
    approvals
      .command(action)
      .description(description)
      .argument('<digest>', 'or its first 12 or more characters')
      .option('--comment <text>', 'why, for those who ask later', '')
      .option('--json', 'print one JSON object')
      .action((digest: string, options: VoteOptions) => vote(digest, action === 'approve', options));
}

const withGovernance = <T>(work: (governance: Peer<GovernanceClient>) => Promise<T>): Promise<T> =>
  withPeer(GovernanceClient, 'governance', work);

function fetchAll(waitingOnly: boolean): Promise<Approval[]> {
  return withGovernance(
    async (governance) => (await governance.call((stub) => stub.listApprovals, { waitingOnly }, callMs)).approvals,
  );
}

async function list(options: ListOptions): Promise<void> {
  const approvals = await fetchAll(options.waiting === true);
  if (options.json) return printJson(approvals.map(plain));
  const rows = approvals.map((one) => {
    const { endpoint, version } = contentOf(one);
    const approving = one.votes.filter(({ approve }) => approve).length;
    return [
      one.digest.slice(0, shownDigest),
      new Date(one.requestedMs).toISOString(),
      endpoint,
      version.number,
      one.state,
      `${approving} of ${one.quorum}`,
      one.roles.join(', '),
      one.requestedBy,
      one.policy,
    ];
  });
  const headings = ['DIGEST', 'REQUESTED', 'ENDPOINT', 'VERSION', 'STATE', 'VOTES', 'ROLES', 'BY', 'POLICY'];
  printTable(headings, rows, options.waiting ? 'nothing waits for approval' : 'nobody was asked for an approval yet');
}

async function show(digest: string, options: OutputOptions): Promise<void> {
  if (digest.length < shownDigest)
    throw new MillraceError('invalid-argument', `digest "${digest}": give at least ${shownDigest} characters of it`);
  const found = (await fetchAll(false)).filter((one) => one.digest.startsWith(digest));
  if (found.length !== 1)
    throw new MillraceError(
      found.length === 0 ? 'not-found' : 'invalid-argument',
      found.length === 0 ? `there is no approval ${digest}` : `several approvals begin with ${digest}; give more of it`,
    );
  if (options.json) printJson(plain(found[0]!));
  else showApproval(found[0]!);
}

async function vote(digest: string, approve: boolean, options: VoteOptions): Promise<void> {
  const after = await withGovernance((governance) =>
    governance.call((stub) => stub.decideApproval, { digest, approve, comment: options.comment }, callMs),
  );
  if (options.json) printJson(plain(after));
  else showApproval(after);
}

function showApproval(approval: Approval): void {
  const { digest, subject, state, requestedBy, requestedMs, votes, quorum, roles, notRequester, policy } = approval;
  const { endpoint, version } = contentOf(approval);
  print(`${endpoint}: version ${version.number}, ${state}`);
  print(`${subject}, requested ${new Date(requestedMs).toISOString()} by ${requestedBy}`);
  print(`policy ${policy}: ${quorum} of ${roles.join(', ')}${notRequester ? ', not who requested it' : ''}\n`);
  print(JSON.stringify(contentOf(approval), null, 2));
  print(`sha256 ${digest}\n`);
  const rows = votes.map(({ voter, roles: had, approve, comment, atMs }) => [
    new Date(atMs).toISOString(),
    voter,
    had.join(', '),
    approve ? 'approve' : 'reject',
    comment,
  ]);
  printTable(['VOTED', 'BY', 'ROLES', 'VOTE', 'COMMENT'], rows, 'nobody has voted yet');
}

/** As JSON shows it: what is approved is an object, not bytes. */
function plain(approval: Approval): Record<string, unknown> {
  const { contentJson: _, ...rest } = approval;
  return { ...rest, content: contentOf(approval) };
}

function contentOf({ contentJson }: Approval): { endpoint: string; version: { number: string } } {
  return JSON.parse(contentJson.toString()) as { endpoint: string; version: { number: string } };
}
