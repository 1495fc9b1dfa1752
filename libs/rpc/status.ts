import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { MillraceError, errorCodes, errorMessage, type ErrorCode } from '#libs/errors/millrace-error.js';

/** A status travels in trailers, of which peers take 8 KiB, percent-encoded: three bytes for one. */
const maxDetailsBytes = 2_048;

/** What is said beside a status: our own code, and when to come again. Names and values are ASCII. */
export function statusFields({ code, retryAfterMs }: MillraceError): [name: string, value: string][] {
  const ours: [string, string] = ['millrace-code', code];
  return retryAfterMs === undefined ? [ours] : [ours, ['grpc-retry-pushback-ms', String(retryAfterMs)]];
}

/** A status' words as the header grpc-message has them. */
export function messageHeader(details: string): string {
  return encodeURI(boundedText(details));
}

/** What a handler threw, as gRPC says it. Unknown faults are INTERNAL, and their text stays in the log. */
export function toServiceError(error: unknown): Pick<ServiceError, 'code' | 'details' | 'metadata'> {
  const metadata = new Metadata();
  if (error instanceof MillraceError) {
    for (const [name, value] of statusFields(error)) metadata.set(name, value);
    return { code: error.grpcStatus, details: boundedText(error.message), metadata };
  }
  return { code: status.INTERNAL, details: 'internal error; the service log has it', metadata };
}

/** Well-formed (half of a surrogate pair would break the encoding) and cut where it is too long. */
export function boundedText(message: string): string {
  const bytes = Buffer.from(message);
  return bytes.length <= maxDetailsBytes ? bytes.toString() : `${bytes.toString('utf8', 0, maxDetailsBytes)}...`;
}

/** What a peer answered, as a MillraceError with the peer's words. */
export function fromServiceError(error: unknown, peer: string): MillraceError {
  const code = (error as Partial<ServiceError>).code;
  const details = (error as Partial<ServiceError>).details ?? errorMessage(error);
  const found = (Object.keys(errorCodes) as ErrorCode[]).find((name) => errorCodes[name].grpc === code);
  return new MillraceError(found ?? 'unavailable', `${peer}: ${details}`, { cause: error });
}
