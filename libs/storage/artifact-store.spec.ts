import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { ArtifactStore } from './artifact-store.js';

const root = mkdtempSync(join(tmpdir(), 'artifacts-'));
const store = new ArtifactStore(root);
afterAll(() => rmSync(root, { recursive: true }));

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

it('the same bytes have the same address, however they came', async () => {
  const first = await store.put(chunks('ab', 'c'), 100);
  expect(first).toEqual({ sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', sizeBytes: 3 });
  expect(await store.put(chunks('abc'), 100)).toEqual(first);
  expect((await store.read(first.sha256)).toString()).toBe('abc');
});

it('a damaged file is an error, never an answer', async () => {
  const { sha256 } = await store.put(chunks('whole'), 100);
  writeFileSync(store.path(sha256), 'whole?');
  await expect(store.read(sha256)).rejects.toThrow(/is damaged/);
});

it('what is too large, or breaks off, leaves nothing behind', async () => {
  await expect(store.put(chunks('12345', '67890', 'x'), 10)).rejects.toMatchObject({ code: 'payload-too-large' });
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('some');
    throw new Error('the sender is gone');
  };
  await expect(store.put(broken(), 100)).rejects.toThrow('the sender is gone');
  expect(readdirSync(join(root, 'incoming'))).toEqual([]);
});

it('an address is a hash, and nothing else', async () => {
  for (const wrong of ['../../etc/passwd', 'abc', ''])
    await expect(store.read(wrong)).rejects.toMatchObject({ code: 'invalid-argument' });
  await expect(store.read('0'.repeat(64))).rejects.toMatchObject({ code: 'not-found' });
});
