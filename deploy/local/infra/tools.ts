import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Fails with what to install where a command is missing or does not run. */
export async function requireTool(command: string, args: readonly string[], install: string): Promise<void> {
  try {
    await run(command, [...args]);
  } catch (error) {
    throw new Error(`\`${command}\` does not run here; install ${install}`, { cause: error });
  }
}
