export interface AuditEntryView {
  /** From 0, without gaps. */
  readonly index: number;
  readonly atMs: number;
  readonly service: string;
  readonly actor: string;
  readonly roles: readonly string[];
  readonly action: string;
  readonly resource: string;
  readonly method: string;
  readonly decision: string;
  readonly reason: string;
  readonly outcome: string;
  readonly details: Readonly<Record<string, string>>;
  /** True = the bytes are no audit event: verifying names the entry. */
  readonly unreadable: boolean;
}

export interface AuditPageView {
  readonly size: number;
  readonly entries: readonly AuditEntryView[];
}

export interface TreeHeadView {
  readonly size: number;
  /** SHA-256, hex. */
  readonly root: string;
  readonly signedMs: number;
  readonly checkpoint: string;
  /** Ed25519, base64. */
  readonly publicKey: string;
  /** What is wrong with signature, size or root of the checkpoint; '' = it holds. */
  readonly problem: string;
}

export interface VerifiedView {
  readonly ok: boolean;
  readonly entries: number;
  readonly heads: number;
  readonly problems: readonly string[];
}

/** RFC 9162 inclusion proof, for the browser to recompute. */
export interface ProofView {
  readonly index: number;
  readonly size: number;
  /** The bytes that are hashed, as text. */
  readonly leaf: string;
  /** SHA-256, hex; path from the leaf upwards. */
  readonly leafHash: string;
  readonly path: readonly string[];
  readonly root: string;
}
