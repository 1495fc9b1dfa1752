import { jest } from '@jest/globals';
import { Command } from 'commander';

/** What a command prints on standard output. @param add puts it into a program @param words of the command line, its name first */
export async function printedBy(add: (program: Command) => void, ...words: string[]): Promise<string> {
  let printed = '';
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  try {
    const program = new Command();
    add(program);
    await program.parseAsync(words, { from: 'user' });
  } finally {
    write.mockRestore();
  }
  return printed;
}
