import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The Ed25519 key of tree heads, in `<folder>/tree-head.key.pem` with mode 0600: made at the first start, whole or not at all, and never replaced. */
export function loadSigningKey(folder: string): KeyObject {
  const path = join(folder, 'tree-head.key.pem');
  if (!existsSync(path)) makeKey(folder, path);
  const key = createPrivateKey(readFileSync(path));
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Error(`${path}: is a ${key.asymmetricKeyType} key, and has to be ed25519`);
  return key;
}

function makeKey(folder: string, path: string): void {
  mkdirSync(folder, { recursive: true });
  const part = `${path}.${process.pid}`;
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(part, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600, flush: true });
  try {
    linkSync(part, path);
  } catch (error) {
    // Another process was first: its key is the log's.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(part);
  }
}
