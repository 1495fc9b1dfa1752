export interface ColumnView {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
}

/** A Stream definition. */
export interface StreamView {
  readonly name: string;
  readonly generation: number;
  readonly changedMs: number;
  readonly key: string;
  readonly eventTime: string;
  readonly columns: readonly ColumnView[];
  readonly expectations: readonly string[];
}

export interface ReasonView {
  readonly code: string;
  readonly column: string;
  readonly message: string;
}

export interface QuarantinedView {
  readonly stream: string;
  readonly eventId: string;
  readonly atMs: number;
  readonly reasons: readonly ReasonView[];
  /** The original bytes as text, cut at 2,000 characters. */
  readonly data: string;
}

export interface QuarantineView {
  readonly total: number;
  readonly events: readonly QuarantinedView[];
}
