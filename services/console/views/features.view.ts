export interface FeatureView {
  readonly name: string;
  readonly description: string;
  readonly source: string;
  readonly entity: readonly string[];
  /** 30d */
  readonly ttl: string;
  readonly features: readonly FeatureRow[];
}

export interface FeatureRow {
  readonly name: string;
  readonly aggregation: string;
  /** CEL over the source's columns. */
  readonly expression: string;
  /** 7d */
  readonly window: string;
}

export interface FeatureServiceView {
  readonly name: string;
  readonly spine: string;
  /** What a request has: the columns of the spine that are not derived. */
  readonly request: readonly { readonly name: string; readonly type: string }[];
  /** In the order of the vector: its name, and where it comes from. */
  readonly features: readonly { readonly name: string; readonly from: string }[];
}

export interface CatalogView {
  readonly views: readonly FeatureView[];
  readonly services: readonly FeatureServiceView[];
}

export interface WatermarkView {
  readonly stream: string;
  /** Event time, epoch ms; -1 = nothing was applied yet. */
  readonly watermarkMs: number;
}

export interface VectorView {
  readonly asOfMs: number;
  readonly features: readonly { readonly name: string; readonly value: number | null }[];
  /** True = the online store was away, and declared values stand in. */
  readonly fallback: boolean;
  readonly positions: readonly WatermarkView[];
}
