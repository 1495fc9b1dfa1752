import type { Command } from 'commander';
import { stringify } from 'yaml';
import {
  type ApplyResponse,
  type Definition,
  RegistryClient,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { kinds } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson, printTable } from '../output.js';
import { readDefinitionFiles } from '../read-folder.js';

/** Exit codes of apply and diff: 2 = invalid definitions, 3 = --check found a difference. */
const invalid = 2;
const drift = 3;
const deadlineMs = 30_000;

interface ApplyOptions extends OutputOptions {
  readonly filename: string;
  readonly dryRun?: boolean;
  readonly check?: boolean;
}

export function addDefinitionCommands(program: Command): void {
  program
    .command('apply')
    .description('check a folder of definitions together, show what changes, and apply all or nothing')
    .requiredOption('-f, --filename <path>', 'folder or file of YAML definitions')
    .option('--dry-run', 'show what would change, change nothing')
    .option('--check', 'change nothing; exit 3 when something would change')
    .option('--json', 'print one JSON object')
    .action((options: ApplyOptions) => applyFiles(options, options.dryRun === true || options.check === true));
  program
    .command('diff')
    .description('show what apply would change')
    .requiredOption('-f, --filename <path>', 'folder or file of YAML definitions')
    .option('--check', 'exit 3 when something would change')
    .option('--json', 'print one JSON object')
    .action((options: ApplyOptions) => applyFiles(options, true));
  program
    .command('get')
    .description('list definitions, e.g. `millrace get`, `millrace get streams`, `millrace get model late-arrival`')
    .argument('[kind]', `${kinds.join(', ').toLowerCase()} (plural too)`)
    .argument('[name]')
    .option('--json', 'print one JSON array')
    .action(getDefinitions);
  program
    .command('describe')
    .description('show one definition whole')
    .argument('<kind>')
    .argument('<name>')
    .option('--json', 'print one JSON object')
    .action(describeDefinition);
  program
    .command('delete')
    .description('delete a definition that nothing refers to')
    .argument('<kind>')
    .argument('<name>')
    .option('--dry-run', 'show what would change, change nothing')
    .option('--json', 'print one JSON object')
    .action((kind: string, name: string, options: ApplyOptions) =>
      withPeer(RegistryClient, 'registry', async (registry) => {
        const request = { kind: kindName(kind), name, dryRun: options.dryRun === true };
        report(await registry.call((stub) => stub.deleteDefinition, request, deadlineMs), options, request.dryRun);
      }),
    );
}

async function applyFiles(options: ApplyOptions, dryRun: boolean): Promise<void> {
  const documents = readDefinitionFiles(options.filename);
  await withPeer(RegistryClient, 'registry', async (registry) => {
    const response = await registry.call(
      (stub) => stub.apply,
      { documents, dryRun, requestedBy: process.env['USER'] ?? '' },
      deadlineMs,
    );
    report(response, options, dryRun);
  });
}

function report(response: ApplyResponse, options: ApplyOptions, dryRun: boolean): void {
  const changed = response.changes.filter((change) => change.action !== 'unchanged');
  if (response.problems.length > 0) process.exitCode = invalid;
  else if (options.check === true && changed.length > 0) process.exitCode = drift;
  if (options.json) return printJson(response);
  if (response.problems.length > 0) {
    const rows = response.problems.map((p) => [`${p.path}:${p.line}:${p.column}`, p.code, p.message]);
    const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
    for (const [place, code, message] of rows)
      print(`${place!.padEnd(widths[0]!)}  ${code!.padEnd(widths[1]!)}  ${message}`);
    return print(`\n${rows.length} problem${rows.length === 1 ? '' : 's'}; nothing was changed`);
  }
  for (const change of changed) {
    print(
      `${{ create: '+', change: '~', delete: '-' }[change.action] ?? ' '} ${change.kind}/${change.name} ${dryRun ? `would be ${past(change.action)}` : past(change.action)}`,
    );
    for (const path of change.paths) print(`    ${path}`);
  }
  print(
    `${changed.length} changed, ${response.changes.length - changed.length} unchanged${dryRun ? ' (dry run)' : ''}`,
  );
}

function past(action: string): string {
  return { create: 'created', change: 'changed', delete: 'deleted' }[action] ?? action;
}

async function list(kind: string | undefined, name: string | undefined): Promise<Definition[]> {
  const request = { kind: kind === undefined ? '' : kindName(kind), name: name ?? '' };
  const response = await withPeer(RegistryClient, 'registry', (registry) =>
    registry.call((stub) => stub.listDefinitions, request, deadlineMs),
  );
  if (name !== undefined && response.definitions.length === 0)
    throw new MillraceError(
      'not-found',
      `${request.kind} "${name}" does not exist; \`millrace get ${kind}\` lists those that do`,
    );
  return response.definitions;
}

async function getDefinitions(
  kind: string | undefined,
  name: string | undefined,
  options: OutputOptions,
): Promise<void> {
  const definitions = await list(kind, name);
  if (options.json) return printJson(definitions.map(plain));
  const rows = definitions.map((d) => [
    d.kind,
    d.name,
    d.generation,
    d.digest.slice(0, 12),
    new Date(d.changedMs).toISOString(),
  ]);
  printTable(
    ['KIND', 'NAME', 'GENERATION', 'DIGEST', 'CHANGED'],
    rows,
    'no definitions; `millrace apply -f <folder>` makes some',
  );
}

async function describeDefinition(kind: string, name: string, options: OutputOptions): Promise<void> {
  const [definition] = await list(kind, name);
  const shown = plain(definition!);
  print(options.json ? JSON.stringify(shown, null, 2) : stringify(shown).trimEnd());
}

function plain(definition: Definition): Record<string, unknown> {
  const { kind, name, generation, digest, changedMs } = definition;
  return {
    kind,
    name,
    generation,
    digest,
    changed: new Date(changedMs).toISOString(),
    spec: JSON.parse(definition.specJson.toString()) as unknown,
  };
}

/** As kubectl does: any case, singular or plural. */
export function kindName(text: string): string {
  const wanted = text.toLowerCase();
  const found = kinds.find((kind) => [kind.toLowerCase(), `${kind.toLowerCase()}s`].includes(wanted));
  if (found === undefined)
    throw new MillraceError('invalid-argument', `kind "${text}" is not known; kinds are ${kinds.join(', ')}`);
  return found;
}
