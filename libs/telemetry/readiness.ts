/** Why this process is not ready, by dependency; empty = ready. Also what makes it not live: a fault it cannot recover from. */
export class Readiness {
  private readonly reasons = new Map<string, string>();
  private fatal: string | undefined;
  private others: Readonly<Record<string, string>> = {};
  private othersReady = true;

  /** @param reason undefined = this dependency is fine */
  set(dependency: string, reason: string | undefined): void {
    if (reason === undefined) this.reasons.delete(dependency);
    else this.reasons.set(dependency, reason);
  }

  fail(reason: string): void {
    this.fatal = reason;
  }

  /** Why processes that share this one's addresses are not ready, by process: then none of them says that it is, for nobody can choose whom he asks. */
  setOthers(reasons: Readonly<Record<string, string>>): void {
    this.others = reasons;
    this.othersReady = Object.keys(reasons).length === 0;
  }

  get ready(): boolean {
    return this.fatal === undefined && this.reasons.size === 0 && this.othersReady;
  }

  get live(): boolean {
    return this.fatal === undefined;
  }

  report(): Record<string, string> {
    return { ...this.own(), ...this.others };
  }

  /** Of this process alone. */
  own(): Record<string, string> {
    return { ...Object.fromEntries(this.reasons), ...(this.fatal === undefined ? {} : { fatal: this.fatal }) };
  }
}
