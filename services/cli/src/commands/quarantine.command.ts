import type { Command } from 'commander';
import { ValidatorClient } from '#libs/contracts/generated/millrace/validator/v1/validator.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson, printTable } from '../output.js';

interface ListOptions extends OutputOptions {
  readonly limit: string;
  readonly reason?: string;
}

export function addQuarantineCommand(program: Command): void {
  const quarantine = program.command('quarantine').description('events that broke their contract');
  quarantine
    .command('list')
    .argument('[stream]', 'of this stream only')
    .option('--reason <code>', 'with this reason only')
    .option('--limit <events>', 'at most so many', '50')
    .option('--json', 'print one JSON object')
    .action(listQuarantined);
  quarantine
    .command('replay')
    .description('publish quarantined events again, as they came; an event that got in meanwhile counts once')
    .argument('<stream>')
    .argument('[ids...]', 'event ids; none = all of the stream')
    .option('--json', 'print one JSON object')
    .action((stream: string, eventIds: string[], options: OutputOptions) =>
      withPeer(ValidatorClient, 'validator', async (validator) => {
        const { replayed } = await validator.call((stub) => stub.replayQuarantined, { stream, eventIds }, 60_000);
        if (options.json) printJson({ replayed });
        else print(`${replayed} events published again`);
      }),
    );
}

async function listQuarantined(stream: string | undefined, options: ListOptions): Promise<void> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000)
    throw new MillraceError('invalid-argument', `--limit "${options.limit}" is not a whole number from 1 to 1000`);
  const request = { stream: stream ?? '', limit, reasonCode: options.reason ?? '' };
  const { events, total } = await withPeer(ValidatorClient, 'validator', (validator) =>
    validator.call((stub) => stub.listQuarantined, request, 30_000),
  );
  if (options.json)
    return printJson({ total, events: events.map((e) => ({ ...e, data: e.data.toString(), key: e.key.toString() })) });
  const rows = events.map((e) => [
    e.stream,
    e.eventId,
    `${e.sourcePartition}/${e.sourceOffset}`,
    e.reasons.map((r) => `${r.code}: ${r.message}`).join('; '),
  ]);
  printTable(['STREAM', 'EVENT', 'PARTITION/OFFSET', 'REASONS'], rows, 'nothing is quarantined');
  if (total > events.length) print(`${events.length} of ${total}`);
}
