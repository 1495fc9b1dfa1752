import { type ServiceError, status } from '@grpc/grpc-js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { CallStatus } from './wire-call.js';

/** What a handler failed with, as grpc-js reads it: without a number for its code it is UNKNOWN. */
export function statusOf(error: Partial<ServiceError>): CallStatus {
  const { code, details, metadata } = error;
  if (typeof code !== 'number') return { code: status.UNKNOWN, details: errorMessage(error), metadata };
  return { code, details: details ?? errorMessage(error), metadata };
}
