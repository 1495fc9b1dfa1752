import type { Command } from 'commander';
import {
  GovernanceClient,
  type Trace,
  type TraceItem,
} from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson } from '../output.js';

const traceMs = 60_000;
/** Facts that governance gives what the audit log does not bear out. */
const notProved = 'not proved';

export function addTraceCommand(program: Command): void {
  program
    .command('trace')
    .description('what stands behind a prediction, back to the events; exit 1 where the audit log does not bear it out')
    .argument('<prediction id>', 'as the answer has it, and `millrace logs`')
    .option('--json', 'print one JSON object')
    .action(trace);
}

async function trace(predictionId: string, options: OutputOptions): Promise<void> {
  const found = await withPeer(GovernanceClient, 'governance', (governance) =>
    governance.call((stub) => stub.tracePrediction, { predictionId }, traceMs),
  );
  const unproved = found.items.filter(({ facts }) => facts[notProved] !== undefined);
  if (unproved.length > 0) process.exitCode = 1;
  if (options.json) return printJson(found);
  show(found);
  print('');
  const end = unproved.length === 0 ? 'the audit log bears out all of it' : `${unproved.length} are not proved`;
  print(`${found.items.length} links from the answer back: ${end}`);
}

/** A line for each thing, its facts under it. */
function show({ items }: Trace): void {
  items.forEach((item, i) => {
    if (i > 0 && items[i - 1]!.kind !== item.kind) print('');
    print(heading(item));
    const width = Math.max(...Object.keys(item.facts).map((name) => name.length));
    for (const [name, value] of Object.entries(item.facts)) print(`  ${name.padEnd(width)}  ${value}`);
  });
}

function heading({ kind, id, atMs }: TraceItem): string {
  const parts = [kind.toUpperCase().padEnd(10), id || '-', atMs > 0 ? new Date(atMs).toISOString() : ''];
  return parts.filter((part) => part !== '').join('  ');
}
