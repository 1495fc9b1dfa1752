/** Why this process is not ready, by dependency; empty = ready. Also what makes it not live: a fault it cannot recover from. */
export class Readiness {
  private readonly reasons = new Map<string, string>();
  private fatal: string | undefined;

  /** @param reason undefined = this dependency is fine */
  set(dependency: string, reason: string | undefined): void {
    if (reason === undefined) this.reasons.delete(dependency);
    else this.reasons.set(dependency, reason);
  }

  fail(reason: string): void {
    this.fatal = reason;
  }

  get ready(): boolean {
    return this.fatal === undefined && this.reasons.size === 0;
  }

  get live(): boolean {
    return this.fatal === undefined;
  }

  report(): Record<string, string> {
    return { ...Object.fromEntries(this.reasons), ...(this.fatal === undefined ? {} : { fatal: this.fatal }) };
  }
}
