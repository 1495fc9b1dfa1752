import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { errorMessage } from '#libs/errors/millrace-error.js';

/** What a call ends with. */
export interface CallStatus {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata | null | undefined;
}

export const ok: CallStatus = { code: status.OK, details: 'OK' };

/** What a handler failed with, as grpc-js reads it: without a number for its code it is UNKNOWN. */
export function statusOf(error: Partial<ServiceError>): CallStatus {
  const { code, details, metadata } = error;
  if (typeof code !== 'number') return { code: status.UNKNOWN, details: errorMessage(error), metadata };
  return { code, details: details ?? errorMessage(error), metadata };
}
