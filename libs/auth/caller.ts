/** Who is calling: found by API token, or named by a JWT. */
export interface Caller {
  readonly name: string;
  /** Empty = may nothing but ask for health. */
  readonly roles: readonly string[];
  /** Epoch ms at which a JWT no longer counts: a stream that it opened ends then. Undefined = never. */
  readonly expiresMs?: number;
}
