export interface StepView {
  readonly kind: string;
  readonly percent: number;
  readonly predictions: number;
}

export interface MoveView {
  readonly from: string;
  readonly to: string;
  readonly step: number;
  readonly cause: string;
  readonly movedBy: string;
  readonly movedMs: number;
}

/** A rollout as it stands. */
export interface RolloutDetailView {
  readonly rolloutId: string;
  readonly endpoint: string;
  readonly model: string;
  readonly version: string;
  /** '' = nothing was live when it began. */
  readonly baseline: string;
  readonly steps: readonly StepView[];
  readonly state: string;
  readonly step: number;
  readonly pausedFrom: string;
  readonly cause: string;
  readonly startedBy: string;
  readonly startedMs: number;
  readonly approvalDigest: string;
  /** Oldest first. */
  readonly moves: readonly MoveView[];
}

/** Harm = what the candidate does worse than the live version, positive = worse; null = not known yet. */
export interface EvidenceView {
  readonly guardrail: string;
  readonly outcome: string;
  readonly harm: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly margin: number | null;
  readonly alpha: number;
  readonly candidateRows: number;
  readonly baselineRows: number;
  readonly method: string;
  readonly reason: string;
}

export interface JudgementView {
  readonly judgedMs: number;
  readonly step: number;
  readonly outcome: string;
  readonly reason: string;
  readonly stepPredictions: number;
  readonly neededPredictions: number;
  readonly evidence: readonly EvidenceView[];
}
