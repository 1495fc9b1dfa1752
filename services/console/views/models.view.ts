export interface VersionView {
  readonly model: string;
  readonly version: string;
  readonly aliases: readonly string[];
  readonly createdMs: number;
  readonly runId: string;
  readonly features: number;
  readonly codeCommit: string;
  readonly datasetSha256: string;
  readonly onnxSha256: string;
  readonly metrics: Readonly<Record<string, number>>;
}

/** What answers on an endpoint. */
export interface LiveView {
  readonly endpoint: string;
  readonly model: string;
  /** '' = nothing is live yet. */
  readonly version: string;
  /** Version that is tried beside it; '' = none. */
  readonly candidate: string;
}

export interface ModelsView {
  /** Oldest first. */
  readonly versions: readonly VersionView[];
  readonly live: readonly LiveView[];
}

export interface RunView {
  readonly runId: string;
  readonly pipeline: string;
  readonly model: string;
  readonly state: string;
  readonly version: string;
  readonly reason: string;
  readonly error: string;
  readonly createdMs: number;
  /** From its first step's start to its last one's end, or until now; null = it has not begun. */
  readonly durationMs: number | null;
  readonly metrics: Readonly<Record<string, number>>;
}

/** One run whole, to lay beside others. */
export interface RunDetailView extends RunView {
  readonly params: Readonly<Record<string, string>>;
  readonly datasetSha256: string;
  readonly codeCommit: string;
  /** What the step of the gates said; '' = it was not reached. */
  readonly gates: string;
  readonly steps: readonly { readonly name: string; readonly state: string; readonly message: string }[];
}
