import type { ErrorCode } from '#libs/errors/millrace-error.js';
import type { FaultCode } from '../domain/outcome.js';

/** Prepare's errors, and what spans say; on the Infer stream a fault is a result. */
export const faultErrors: Record<FaultCode, ErrorCode> = {
  'model-not-found': 'not-found',
  'hash-mismatch': 'failed-precondition',
  'bad-shape': 'failed-precondition',
  'run-failed': 'failed-precondition',
  deadline: 'deadline-exceeded',
  overloaded: 'resource-exhausted',
};
