import { MillraceError } from '#libs/errors/millrace-error.js';

/** The caller's own time is over and nothing more is done for it: nobody waits for an answer, and neither a version nor a peer has failed. */
export class LateRequest extends MillraceError {
  /** @param where the request was when its time was over */
  constructor(where: string) {
    super('deadline-exceeded', `the deadline had passed ${where}`);
  }
}
