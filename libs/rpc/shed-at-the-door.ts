import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import type { MillraceError } from '#libs/errors/millrace-error.js';
import type { Gate } from './grpc-transport.js';
import { messageHeader, statusFields } from './status.js';

type StreamHandler = (interceptors: unknown, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/**
 * Refuses calls where grpc-js would take them: before it makes a call of a stream. Measured, a refusal by an interceptor costs as much as an answer (44 us), this one about a third; at twice the
 * capacity that is the difference between answering half of the peak and most of it. The handler is no public part of grpc-js: the version is pinned, and a server without one is not begun.
 * @param gates by path; one may be added later
 */
export function shedAtTheDoor(server: Server, gates: ReadonlyMap<string, Gate>): void {
  const inner = server as unknown as { _streamHandler?: StreamHandler };
  const take = inner._streamHandler;
  if (typeof take !== 'function') throw new Error('this version of @grpc/grpc-js has no _streamHandler to shed at');
  inner._streamHandler = function (this: Server, interceptors, stream, headers) {
    const refusal = gates.get(headers[':path'] as string)?.();
    if (refusal === undefined) take.call(this, interceptors, stream, headers);
    else refuse(stream, refusal);
  };
}

/** Trailers alone, as gRPC over HTTP/2 has it for a call that is answered by its status. */
function refuse(stream: ServerHttp2Stream, refusal: MillraceError): void {
  stream.on('error', ignore); // the caller is gone; there is nobody to tell
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': refusal.grpcStatus,
      'grpc-message': messageHeader(refusal.message),
      ...Object.fromEntries(statusFields(refusal)),
    },
    { endStream: true },
  );
}

function ignore(): void {}
