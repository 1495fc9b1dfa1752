import { status } from '@grpc/grpc-js';

/** The closed list of error codes with their gRPC and HTTP status: the one table of the mesh. */
export const errorCodes = {
  'invalid-argument': { grpc: status.INVALID_ARGUMENT, http: 400 },
  'payload-too-large': { grpc: status.INVALID_ARGUMENT, http: 413 },
  'unsupported-media-type': { grpc: status.INVALID_ARGUMENT, http: 415 },
  unauthenticated: { grpc: status.UNAUTHENTICATED, http: 401 },
  'permission-denied': { grpc: status.PERMISSION_DENIED, http: 403 },
  'not-found': { grpc: status.NOT_FOUND, http: 404 },
  'already-exists': { grpc: status.ALREADY_EXISTS, http: 409 },
  'failed-precondition': { grpc: status.FAILED_PRECONDITION, http: 409 },
  'resource-exhausted': { grpc: status.RESOURCE_EXHAUSTED, http: 429 },
  'deadline-exceeded': { grpc: status.DEADLINE_EXCEEDED, http: 504 },
  unavailable: { grpc: status.UNAVAILABLE, http: 503 },
  unimplemented: { grpc: status.UNIMPLEMENTED, http: 501 },
  'method-not-allowed': { grpc: status.UNIMPLEMENTED, http: 405 },
  internal: { grpc: status.INTERNAL, http: 500 },
} as const;

export type ErrorCode = keyof typeof errorCodes;

export interface ErrorOptions {
  readonly cause?: unknown;
  /** When the same call has a chance again: `grpc-retry-pushback-ms` (gRFC A6) over gRPC, `Retry-After` over HTTP. */
  readonly retryAfterMs?: number;
}

/** The one error class: a code of the closed list, a message that names the field, the value and what would be right. */
export class MillraceError extends Error {
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'MillraceError';
    this.retryAfterMs = options?.retryAfterMs;
  }

  get grpcStatus(): status {
    return errorCodes[this.code].grpc;
  }

  get httpStatus(): number {
    return errorCodes[this.code].http;
  }
}

/** Anything thrown, as text for a log line or a message. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
