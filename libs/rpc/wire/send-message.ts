import type { Http2Stream } from '#libs/http2/http2-stream.js';

/** In front of every message: whether it is compressed, a byte, and its length, four. */
export const prefixBytes = 5;
/** Ours are never compressed. Copied as it is sent, so one does for all. */
const prefix = Buffer.alloc(prefixBytes);

/** @param bytes of one message; not to be changed afterwards */
export function sendMessage(stream: Http2Stream, bytes: Buffer): void {
  prefix.writeUInt32BE(bytes.length, 1);
  stream.send(prefix, bytes);
}
