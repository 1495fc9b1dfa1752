import { type ErrorCode, type ErrorOptions, MillraceError } from '#libs/errors/millrace-error.js';

/** No worker could be asked, or the one that was went away before it answered: nothing was learnt of the model. Failures of this kind stand in the log as `worker-away`, and the judge counts them for no version. */
export class WorkerAway extends MillraceError {
  /** @param hadQuestion it was there, and may have had the question when it went */
  constructor(
    code: Extract<ErrorCode, 'unavailable' | 'deadline-exceeded'>,
    message: string,
    readonly hadQuestion: boolean,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
  }
}
