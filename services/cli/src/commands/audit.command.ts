import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  type AuditEntry,
  GovernanceClient,
  ListAuditEntriesRequest,
} from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Peer } from '#libs/rpc/grpc-client.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson, printTable } from '../output.js';
import { checkLog } from '../verify-log.js';

const listMs = 30_000;
/** Reads the whole log: a million entries take some ten seconds. */
const verifyMs = 300_000;

interface ListOptions extends OutputOptions {
  readonly denied?: boolean;
  readonly limit: string;
}

interface VerifyOptions extends OutputOptions {
  readonly checkpoint?: string;
}

export function addAuditCommand(program: Command): void {
  const audit = program.command('audit').description('who did what, and the proof that nothing of it was changed');
  audit
    .command('list')
    .description('the newest entries first')
    .option('--denied', 'what was refused only')
    .option('--limit <entries>', 'at most so many', '50')
    .option('--json', 'print one JSON object')
    .action(listEntries);
  audit
    .command('verify')
    .description(
      'recomputes the log from its bytes, and checks signature and proofs here; exit 1 names what was changed',
    )
    .option('--checkpoint <file>', 'a checkpoint that was kept: the log has to contain what it had then')
    .option('--json', 'print one JSON object, with the newest checkpoint to keep')
    .action(verifyLog);
}

async function listEntries(options: ListOptions): Promise<void> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000)
    throw new MillraceError('invalid-argument', `--limit "${options.limit}" is not a whole number from 1 to 1000`);
  const request = { newestFirst: true, limit, decision: options.denied ? 'deny' : '' };
  const { entries, size } = await withPeer(GovernanceClient, 'governance', (governance) =>
    governance.call((stub) => stub.listAuditEntries, ListAuditEntriesRequest.fromPartial(request), listMs),
  );
  if (options.json)
    return printJson({
      size,
      entries: entries.map((e) => ({ ...e, leaf: e.leaf.toString(), leafHash: e.leafHash.toString('hex') })),
    });
  const none = options.denied ? 'nothing was denied' : 'nothing was recorded yet';
  printTable(
    ['ENTRY', 'TIME', 'ACTOR', 'ACTION', 'RESOURCE', 'DECISION', 'OUTCOME', 'REASON'],
    entries.map(toRow),
    none,
  );
  if (size > entries.length) print(`${entries.length} of ${size}`);
}

function toRow({ index, event }: AuditEntry): unknown[] {
  if (event === undefined) return [index, '', '', '', '', '', '', 'these bytes are no audit event'];
  const { atMs, actor, action, resource, decision, outcome, reason } = event;
  return [index, new Date(atMs).toISOString(), actor, action, resource, decision, outcome, reason];
}

async function verifyLog(options: VerifyOptions): Promise<void> {
  const kept = options.checkpoint === undefined ? undefined : readFileSync(options.checkpoint, 'utf8');
  const report = await withPeer(GovernanceClient, 'governance', (governance) => verify(governance, kept));
  const { ok, entries, heads, problems } = report;
  if (!ok) process.exitCode = 1;
  if (options.json) return printJson(report);
  for (const problem of problems) print(`changed: ${problem}`);
  if (ok) print(`${entries} entries under ${heads} signed heads: nothing was changed`);
  else print(`${entries} entries under ${heads} signed heads: ${problems.length} problems`);
}

async function verify(governance: Peer<GovernanceClient>, kept: string | undefined) {
  const { entries, heads, problems } = await governance.call((stub) => stub.verifyAudit, {}, verifyMs);
  const here = await checkLog(governance, kept);
  const all = [...problems, ...here.problems];
  return { ok: all.length === 0, entries, heads, problems: all, checkpoint: here.checkpoint };
}
