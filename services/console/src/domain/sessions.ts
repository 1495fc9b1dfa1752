import { createHash, randomBytes } from 'node:crypto';

export interface Session {
  readonly name: string;
  readonly roles: readonly string[];
  /** `Bearer <token>`: what the services are asked with. */
  readonly authorization: string;
  readonly startedMs: number;
  lastSeenMs: number;
}

const maxSessions = 1_000;
/** However busy, a session ends after so many idle times. */
const maxIdleTimes = 12;

/** Who is signed in: in memory alone, at most 1,000, the one that was idle longest goes first. Only a hash of the cookie's value is kept. */
export class Sessions {
  private readonly byHash = new Map<string, Session>();
  private readonly listeners: ((session: Session) => void)[] = [];

  constructor(
    private readonly idleMs: number,
    private readonly now: () => number = Date.now,
  ) {}

  get size(): number {
    return this.byHash.size;
  }

  /** Calls `listener` with every session that ends, so that what is open for it ends too. */
  onEnd(listener: (session: Session) => void): void {
    this.listeners.push(listener);
  }

  /** The value of the cookie: 32 random bytes, base64url. */
  start(caller: { name: string; roles: readonly string[] }, authorization: string): string {
    this.endOld();
    const id = randomBytes(32).toString('base64url');
    const nowMs = this.now();
    this.byHash.set(hashOf(id), { ...caller, authorization, startedMs: nowMs, lastSeenMs: nowMs });
    return id;
  }

  /** Undefined = not known, or it has ended. */
  find(id: string): Session | undefined {
    const key = hashOf(id);
    const session = this.byHash.get(key);
    if (session === undefined) return undefined;
    if (!this.lives(session)) {
      this.end(id);
      return undefined;
    }
    session.lastSeenMs = this.now();
    // The order of a Map is the order of insertion: who was seen last goes to its end.
    this.byHash.delete(key);
    this.byHash.set(key, session);
    return session;
  }

  end(id: string): void {
    this.remove(hashOf(id));
  }

  /** Ends what was idle too long, and so many that one more fits. */
  endOld(): void {
    for (const [key, session] of this.byHash)
      if (!this.lives(session) || this.byHash.size >= maxSessions) this.remove(key);
  }

  private lives({ startedMs, lastSeenMs }: Session): boolean {
    const nowMs = this.now();
    return nowMs - lastSeenMs < this.idleMs && nowMs - startedMs < this.idleMs * maxIdleTimes;
  }

  private remove(key: string): void {
    const session = this.byHash.get(key);
    if (session === undefined) return;
    this.byHash.delete(key);
    for (const listener of this.listeners) listener(session);
  }
}

function hashOf(id: string): string {
  return createHash('sha256').update(id).digest('base64');
}
