export interface LoggedView {
  readonly predictionId: string;
  readonly endpoint: string;
  readonly version: string;
  readonly arm: string;
  readonly asOfMs: number;
  readonly answeredAtMs: number;
  readonly joinKey: string;
  readonly stickyKey: string;
  readonly score: number | null;
  /** Null = not known yet. */
  readonly label: number | null;
  /** stream | feedback; '' = no label. */
  readonly labelSource: string;
  /** JSON text, as asked. */
  readonly request: string;
  /** In vector order; name '' = not known here, value null = there is none. */
  readonly features: readonly { readonly name: string; readonly value: number | null }[];
  readonly fallback: boolean;
  readonly latencyUs: number;
  /** Of it: the waits for the vector and for the score. */
  readonly featuresUs: number;
  readonly inferUs: number;
  readonly cached: boolean;
  readonly explained: boolean;
  /** Request and features were left out, as the endpoint's log.sample says. */
  readonly payloadSampledOut: boolean;
  readonly caller: string;
  readonly rolloutId: string;
  readonly rolloutStep: number;
}

export interface LogPageView {
  /** Newest first. */
  readonly predictions: readonly LoggedView[];
  /** Asks for the page after this one; '' = it was the last. */
  readonly next: string;
}
