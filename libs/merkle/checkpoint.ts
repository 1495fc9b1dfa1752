import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { MillraceError } from '#libs/errors/millrace-error.js';

/** A tree head as it is signed. */
export interface TreeState {
  /** Name of the log, and of its key. */
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
}

/** c2sp.org/signed-note: the algorithm byte of Ed25519. */
const ed25519 = 0x01;
const rawKeyBytes = 32;

/** The 32 bytes of an Ed25519 key's public half. */
export function rawPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-rawKeyBytes);
}

/** Throws invalid-argument unless these are 32 bytes. */
export function publicKeyOf(raw: Uint8Array): KeyObject {
  if (raw.length !== rawKeyBytes)
    throw new MillraceError(
      'invalid-argument',
      `public_key: has ${raw.length} bytes, and an Ed25519 key has ${rawKeyBytes}`,
    );
  const x = Buffer.from(raw).toString('base64url');
  return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } });
}

/** A C2SP checkpoint (c2sp.org/tlog-checkpoint) as a signed note (c2sp.org/signed-note) with one Ed25519 signature. */
export function signCheckpoint({ origin, size, root }: TreeState, privateKey: KeyObject): string {
  const body = `${origin}\n${size}\n${root.toString('base64')}\n`;
  const signature = Buffer.concat([keyId(origin, rawPublicKey(privateKey)), sign(null, Buffer.from(body), privateKey)]);
  return `${body}\n— ${origin} ${signature.toString('base64')}\n`;
}

/**
 * What a checkpoint says, once its signature is found to be that of this key.
 * Throws failed-precondition, saying what is wrong, for a text that is no checkpoint, a signature of another key and one that does not fit the text.
 */
export function openCheckpoint(checkpoint: string, publicKey: KeyObject): TreeState {
  const parts = /^((\S+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n)\n— (\S+) ([A-Za-z0-9+/]+={0,2})\n$/.exec(
    checkpoint,
  );
  if (parts === null)
    throw refused('is not origin, size, root and one signature, as c2sp.org/tlog-checkpoint has them');
  const [, body, origin, size, root, signer, signature] = parts as unknown as string[];
  const bytes = Buffer.from(signature!, 'base64');
  if (signer !== origin || !bytes.subarray(0, 4).equals(keyId(origin!, rawPublicKey(publicKey))))
    throw refused(`is signed by ${signer} with another key than the log's`);
  if (!verify(null, Buffer.from(body!), publicKey, bytes.subarray(4)))
    throw refused('does not have the signature of its text');
  return { origin: origin!, size: Number(size), root: Buffer.from(root!, 'base64') };
}

/** First 4 bytes of SHA-256(name || 0x0A || 0x01 || public key). */
function keyId(name: string, publicKey: Buffer): Buffer {
  const hash = createHash('sha256')
    .update(`${name}\n`)
    .update(Buffer.from([ed25519]))
    .update(publicKey);
  return hash.digest().subarray(0, 4);
}

function refused(why: string): MillraceError {
  return new MillraceError('failed-precondition', `checkpoint: ${why}`);
}
