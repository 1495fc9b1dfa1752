import type { Command } from 'commander';
import { consoleUrl } from '#libs/boot/mesh-state.js';
import { connectMesh } from '../connection.js';
import { type OutputOptions, print, printJson } from '../output.js';

export function addConsoleCommand(program: Command): void {
  program
    .command('console')
    .description('the address of the console, with what signs you in; keep it to yourself')
    .option('--json', 'print one JSON object')
    .action((options: OutputOptions) => {
      const url = consoleUrl(connectMesh());
      if (options.json) printJson({ url });
      else print(url);
    });
}
