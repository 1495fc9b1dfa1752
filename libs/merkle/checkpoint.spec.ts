import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { openCheckpoint, publicKeyOf, rawPublicKey, signCheckpoint } from './checkpoint.js';
import { hashLeaf } from './merkle-tree.js';

/** RFC 8032 section 7.1, test 1: its secret and public key. */
const secret = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
const known = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
const key = createPrivateKey({
  format: 'der',
  type: 'pkcs8',
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.from(secret, 'hex')]),
});
const state = { origin: 'millrace/audit', size: 7, root: hashLeaf(Buffer.from('x')) };

describe('a checkpoint', () => {
  const text = signCheckpoint(state, key);
  const publicKey = publicKeyOf(Buffer.from(known, 'hex'));

  it('is origin, size, base64 root, an empty line and the signature, and opens with the public half of its key', () => {
    expect(rawPublicKey(key).toString('hex')).toBe(known);
    expect(text.split('\n').slice(0, 4)).toEqual(['millrace/audit', '7', state.root.toString('base64'), '']);
    expect(text.split('\n')[4]).toMatch(/^— millrace\/audit [A-Za-z0-9+/]{91}=$/);
    expect(openCheckpoint(text, publicKey)).toEqual(state);
  });

  it('does not open when its text or signature was changed, by another key, or when it is none', () => {
    const [other] = [generateKeyPairSync('ed25519').publicKey];
    expect(() => openCheckpoint(text.replace('\n7\n', '\n8\n'), publicKey)).toThrow('signature of its text');
    expect(() => openCheckpoint(text, other)).toThrow('another key');
    expect(() => openCheckpoint(text.replace('\n7\n', '\n07\n'), publicKey)).toThrow('is not origin');
    expect(() => openCheckpoint(`${text}more\n`, publicKey)).toThrow('is not origin');
    expect(() => publicKeyOf(Buffer.alloc(31))).toThrow('public_key: has 31 bytes');
  });
});
