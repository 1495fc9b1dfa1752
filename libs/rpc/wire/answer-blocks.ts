import { type Metadata, status } from '@grpc/grpc-js';
import { encodeHeaders } from '#libs/http2/hpack-encoder.js';
import type { MillraceError } from '#libs/errors/millrace-error.js';
import { boundedText } from '../status.js';

const head = [':status', '200', 'content-type', 'application/grpc+proto'];

/** The headers of every answer with a message. */
export const answerHeaders = encodeHeaders([...head, 'grpc-accept-encoding', 'identity,deflate,gzip']);
/** The trailers of one that went well. */
export const okTrailers = encodeHeaders(['grpc-status', String(status.OK), 'grpc-message', 'OK']);
/** A request that is none of gRPC. */
export const notGrpc = encodeHeaders([':status', '415', 'grpc-accept-encoding', 'identity,deflate,gzip']);
/** One whose headers are more than we take (RFC 6585). */
export const headersTooLarge = encodeHeaders([':status', '431']);

/** What a handler may add to the headers of its answer. */
export function headersWith(metadata: Metadata): Buffer {
  return encodeHeaders([...head, 'grpc-accept-encoding', 'identity,deflate,gzip', ...pairsOf(metadata)]);
}

/** @param isAlone there were no headers before: they are both in one (trailers-only) */
export function statusBlock(
  code: status,
  details: string,
  metadata: Metadata | null | undefined,
  isAlone: boolean,
): Buffer {
  const pairs = ['grpc-status', String(code), 'grpc-message', encodeURI(boundedText(details))];
  return encodeHeaders([...(isAlone ? head : []), ...pairs, ...(metadata ? pairsOf(metadata) : [])]);
}

/** What a gate refuses with. */
export function refusalBlock({ grpcStatus, code, message, retryAfterMs }: MillraceError): Buffer {
  const retry = retryAfterMs === undefined ? [] : ['grpc-retry-pushback-ms', String(retryAfterMs)];
  const pairs = ['grpc-status', String(grpcStatus), 'grpc-message', encodeURI(boundedText(message))];
  return encodeHeaders([...head, ...pairs, 'millrace-code', code, ...retry]);
}

/** As headers: the bytes of `-bin` in base64. */
export function pairsOf(metadata: Metadata): string[] {
  return Object.entries(metadata.toHttp2Headers()).flatMap(([name, values]) =>
    [values ?? []].flat().flatMap((value) => [name, String(value)]),
  );
}
