import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, type ReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '#libs/errors/millrace-error.js';

const sha256Pattern = /^[0-9a-f]{64}$/;

/**
 * Content-addressed files under one folder, `<root>/sha256/<first two>/<sha256>`. A file appears whole or not at all (written aside, synced, renamed), and what is
 * read back is checked against its address. Only the registry writes; others read.
 */
export class ArtifactStore {
  constructor(private readonly root: string) {}

  path(sha256: string): string {
    if (!sha256Pattern.test(sha256))
      throw new MillraceError('invalid-argument', `sha256: "${sha256}" is not 64 hexadecimal digits`);
    return join(this.root, 'sha256', sha256.slice(0, 2), sha256);
  }

  /** Stores the chunks and returns their address; the same bytes are stored once. Over `maxBytes` nothing is kept. */
  async put(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<{ sha256: string; sizeBytes: number }> {
    await mkdir(join(this.root, 'incoming'), { recursive: true });
    const aside = join(this.root, 'incoming', randomUUID());
    try {
      const { sha256, sizeBytes } = await writeHashed(aside, chunks, maxBytes);
      const target = this.path(sha256);
      await mkdir(join(target, '..'), { recursive: true });
      await rename(aside, target);
      return { sha256, sizeBytes };
    } finally {
      await rm(aside, { force: true });
    }
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.sizeOf(sha256)) !== undefined;
  }

  /** Undefined = not in the store. */
  async sizeOf(sha256: string): Promise<number | undefined> {
    try {
      return (await stat(this.path(sha256))).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** The whole artifact, checked against its address: a changed file is an error, never an answer. */
  async read(sha256: string): Promise<Buffer> {
    if (!(await this.has(sha256))) throw new MillraceError('not-found', `artifact ${sha256} is not in the store`);
    const bytes = await readFile(this.path(sha256));
    const actual = createHash('sha256').update(bytes).digest('hex');
    if (actual !== sha256)
      throw new MillraceError('internal', `artifact ${sha256} is damaged: its content has the hash ${actual}`);
    return bytes;
  }

  stream(sha256: string): ReadStream {
    return createReadStream(this.path(sha256), { highWaterMark: 256 * 1024 });
  }
}

async function writeHashed(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const file = await open(path, 'wx');
  try {
    for await (const chunk of chunks) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > maxBytes)
        throw new MillraceError('payload-too-large', `artifact has more than ${maxBytes} bytes`);
      hash.update(chunk);
      await file.write(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}
