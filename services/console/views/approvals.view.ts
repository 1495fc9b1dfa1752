export interface VoteView {
  readonly voter: string;
  readonly roles: readonly string[];
  readonly approve: boolean;
  readonly comment: string;
  readonly atMs: number;
}

export interface ApprovalView {
  /** SHA-256 (hex) of the content. */
  readonly digest: string;
  /** rollouts/<id> */
  readonly subject: string;
  readonly policy: string;
  readonly requestedBy: string;
  readonly requestedMs: number;
  /** waiting | approved | rejected | withdrawn */
  readonly state: string;
  readonly quorum: number;
  readonly roles: readonly string[];
  readonly notRequester: boolean;
  readonly votes: readonly VoteView[];
  /** JSON text: what is approved, whole. */
  readonly content: string;
  /** Whether the SHA-256 of that content, computed by the console, is the digest. */
  readonly contentMatches: boolean;
  readonly decidedMs: number;
}
