export interface FeatureDriftView {
  readonly feature: string;
  readonly psi: number | null;
  readonly ks: number | null;
  readonly js: number | null;
  readonly wasserstein: number | null;
  readonly rows: number;
  readonly nullShare: number | null;
  readonly referenceNullShare: number | null;
  /** Of the statistic that decides. */
  readonly threshold: number | null;
  readonly drifted: boolean;
}

export interface DriftView {
  /** Most drifted first. */
  readonly features: readonly FeatureDriftView[];
  readonly rows: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly version: string;
  readonly statistic: string;
}

/** With its 95 % interval. */
export interface EstimateView {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface PerformanceWindowView {
  readonly fromMs: number;
  readonly toMs: number;
  readonly predictions: number;
  readonly labelled: number;
  readonly metrics: Readonly<Record<string, EstimateView>>;
  /** What the scores alone say. */
  readonly estimated: Readonly<Record<string, EstimateView>>;
}

export interface PerformanceView extends Omit<PerformanceWindowView, 'fromMs' | 'toMs'> {
  /** Realised log-loss less what calibrated scores say; null = not known. */
  readonly concept: EstimateView | null;
  /** Oldest first. */
  readonly windows: readonly PerformanceWindowView[];
}

export interface AlertChangeView {
  readonly fingerprint: string;
  readonly monitor: string;
  readonly endpoint: string;
  readonly version: string;
  readonly breach: string;
  readonly state: string;
  readonly summary: string;
  readonly features: readonly string[];
  readonly startsMs: number;
  readonly endsMs: number;
  readonly actions: readonly string[];
}
