export interface TraceItemView {
  /** prediction | events | features | snapshot | run | code | version | approval | rollout | audit */
  readonly kind: string;
  readonly id: string;
  /** 0 = has no time. */
  readonly atMs: number;
  readonly facts: readonly (readonly [name: string, value: string])[];
}

export interface TraceView {
  readonly predictionId: string;
  readonly items: readonly TraceItemView[];
}
