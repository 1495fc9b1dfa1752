import type { EventEmitter } from 'node:events';
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { Caller } from '#libs/auth/caller.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

/** What a timer can wait. */
const maxTimerMs = 2 ** 31 - 1;

/** A stream ends with the token that opened it. */
export function endAtExpiry(
  call: EventEmitter & { readonly cancelled: boolean },
  { name, expiresMs }: Caller,
  end: (error: MillraceError) => void,
): void {
  if (expiresMs === undefined) return;
  const expire = (): void => {
    if (!call.cancelled)
      end(
        new MillraceError('unauthenticated', `authorization: the JWT of ${name} has expired; call again with another`),
      );
  };
  const timer = setTimeout(expire, Math.min(expiresMs - Date.now(), maxTimerMs)).unref();
  for (const event of ['finish', 'close', 'cancelled']) call.once(event, () => clearTimeout(timer));
}

/** Writes as the caller reads, and ends the stream unless it has been ended otherwise. */
export async function pump(
  messages: AsyncIterable<unknown>,
  call: ServerWritableStream<never, unknown>,
): Promise<void> {
  for await (const message of messages) {
    if (call.cancelled || call.writableEnded) return;
    if (!call.write(message)) await drained(call);
  }
  if (!call.writableEnded) call.end();
}

/** Or ended otherwise. */
function drained(call: ServerWritableStream<never, unknown>): Promise<void> {
  const events = ['drain', 'cancelled', 'error'];
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) call.off(event, done);
      resolve();
    };
    for (const event of events) call.on(event, done);
  });
}
