import { type Metadata, status } from '@grpc/grpc-js';
import { encodeHeaders } from '#libs/http2/hpack-encoder.js';
import type { MillraceError } from '#libs/errors/millrace-error.js';
import { messageHeader, statusFields } from '../status.js';
import { pairsOf } from './metadata-headers.js';

const head = [':status', '200', 'content-type', 'application/grpc+proto'];
const understood = ['grpc-accept-encoding', 'identity,deflate,gzip'];

/** The headers of every answer with a message. */
export const answerHeaders = encodeHeaders([...head, ...understood]);
/** The trailers of one that went well. */
export const okTrailers = encodeHeaders(['grpc-status', String(status.OK), 'grpc-message', 'OK']);
/** A request that is none of gRPC. */
export const notGrpc = encodeHeaders([':status', '415', ...understood]);
/** One whose headers are more than we take (RFC 6585). */
export const headersTooLarge = encodeHeaders([':status', '431']);

/** What a handler may add to the headers of its answer. */
export function headersWith(metadata: Metadata): Buffer {
  return encodeHeaders([...head, ...understood, ...pairsOf(metadata)]);
}

/** @param isAlone there were no headers before: they are both in one (trailers-only) */
export function statusBlock(
  code: status,
  details: string,
  metadata: Metadata | null | undefined,
  isAlone: boolean,
): Buffer {
  return encodeHeaders([
    ...(isAlone ? head : []),
    ...statusPairs(code, details),
    ...(metadata ? pairsOf(metadata) : []),
  ]);
}

/** What a gate refuses with. */
export function refusalBlock(refusal: MillraceError): Buffer {
  return encodeHeaders([...head, ...statusPairs(refusal.grpcStatus, refusal.message), ...statusFields(refusal).flat()]);
}

function statusPairs(code: status, details: string): string[] {
  return ['grpc-status', String(code), 'grpc-message', messageHeader(details)];
}
