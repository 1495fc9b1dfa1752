import { readFileSync } from 'node:fs';

/** A JSON file that we wrote. @throws Error naming the file where it is damaged, and what to do */
export function readJsonFile<T>(path: string): T {
  const text = readFileSync(path, 'utf8');
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Error(`${path} is damaged (${(error as Error).message}): remove it, or begin anew with \`--fresh\``, {
      cause: error,
    });
  }
}
