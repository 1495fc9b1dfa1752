import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '#libs/errors/millrace-error.js';

export interface DefinitionDocument {
  readonly path: string;
  readonly text: string;
}

const maxFiles = 1_000;
const maxFileBytes = 1024 * 1024;

/** The YAML files of a folder, or one file; in order of their paths. Paths are given back as the user named them. */
export function readDefinitionFiles(path: string): DefinitionDocument[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new MillraceError('not-found', `-f ${path}: no such file or folder`);
  const files = found.isDirectory()
    ? readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name))
        .map((entry) => join(entry.parentPath, entry.name))
        .sort()
    : [path];
  if (files.length === 0) throw new MillraceError('not-found', `-f ${path}: holds no .yaml file`);
  if (files.length > maxFiles)
    throw new MillraceError('invalid-argument', `-f ${path}: ${files.length} files, at most ${maxFiles}`);
  return files.map((file) => {
    const { size } = statSync(file);
    if (size > maxFileBytes)
      throw new MillraceError('invalid-argument', `${file}: ${size} bytes, at most ${maxFileBytes}`);
    return { path: file, text: readFileSync(file, 'utf8') };
  });
}
