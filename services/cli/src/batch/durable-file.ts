import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MillraceError } from '#libs/errors/millrace-error.js';

/** A file that grows, of which what is said to be there is on the disk. */
export class DurableFile {
  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    private bytes: number,
  ) {}

  /**
   * Opens it, makes it where there is none, and cuts off what lies beyond the bytes that count: a write that was never told of.
   * @throws MillraceError failed-precondition where it is shorter than that
   */
  static async open(path: string, bytes: number): Promise<DurableFile> {
    const file = await open(path, bytes === 0 ? 'w' : 'r+').catch((error: unknown) => {
      throw changed(path, 'cannot be opened', error);
    });
    const { size } = await file.stat();
    if (size < bytes) {
      await file.close();
      throw changed(path, `has ${size} bytes, and ${bytes} were written`);
    }
    await file.truncate(bytes);
    await file.sync();
    await syncFolder(dirname(path));
    return new DurableFile(path, file, bytes);
  }

  get length(): number {
    return this.bytes;
  }

  /** Resolves when it is on the disk. Empty text writes nothing. */
  async append(text: string): Promise<void> {
    if (text === '') return;
    const buffer = Buffer.from(text);
    for (let written = 0; written < buffer.length;)
      written += (await this.file.write(buffer, written, buffer.length - written, this.bytes + written)).bytesWritten;
    await this.file.datasync();
    this.bytes += buffer.length;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

function changed(path: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'failed-precondition',
    `${path} ${what}: somebody else has changed it. Begin the run anew with --fresh`,
    { cause },
  );
}

/** Writes a small file as a whole or not at all; resolves when it is on the disk. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const file = await open(`${path}.part`, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await moveFile(`${path}.part`, path);
}

/** Resolves when the new name is on the disk. */
export async function moveFile(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** A name is on the disk when its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
