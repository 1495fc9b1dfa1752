import {
  type AskMargins,
  meanMargin,
  type PermutationOptions,
  permutationShap,
} from '#libs/numeric/shapley/permutation-shap.js';
import { largestMargin, marginOf, type TreeEnsemble } from '#libs/numeric/shapley/tree-ensemble.js';
import { TreeShap } from '#libs/numeric/shapley/tree-shap.js';
import { agreesWith, marginsOf, scoresOf } from './margins.js';
import type { Explanation } from './outcome.js';

/** What the model answers for rows [count, features]: row-major [count, columns]. */
export type AskModel = (rows: Float32Array, count: number) => Promise<{ output: Float32Array; columns: number }>;

export interface ModelToExplain {
  readonly features: number;
  /** float32 [n, features], n at least 1; NaN = missing. */
  readonly background: Float32Array;
  /** Undefined = the model is none of trees. */
  readonly trees: TreeEnsemble | undefined;
  readonly ask: AskModel;
}

/** Rows of the model that one row's sampled explanation may cost. */
const permutationRows = 100_000;
const mostOrders = 10;
const maxBatchCells = 2 ** 20;
const maxBatchRows = 1_024;

/**
 * Explains the rows of one model: exactly where its trees, evaluated here, say of the background rows and of each row explained what the model itself says; else by
 * asking the model. So what is called exact is the explanation of the score that was served.
 */
export class ModelExplainer {
  private constructor(
    private readonly model: ModelToExplain,
    private exact: TreeShap | undefined,
    private readonly largest: number,
  ) {}

  private meanOfModel: Promise<number> | undefined;

  /** @throws NoTrees where there are trees that cannot be explained; what `ask` throws */
  static async of(model: ModelToExplain): Promise<ModelExplainer> {
    const { trees, background, features, ask } = model;
    if (trees === undefined) return new ModelExplainer(model, undefined, 0);
    const rows = background.length / features;
    const { output, columns } = await ask(background, rows);
    const margins = Float64Array.from({ length: rows }, (_, row) => marginOf(trees, background, row * features));
    const largest = largestMargin(trees);
    const agrees = agreesWith(scoresOf(output, columns), margins, largest);
    return new ModelExplainer(model, agrees ? new TreeShap(trees, background, features) : undefined, largest);
  }

  get isExact(): boolean {
    return this.exact !== undefined;
  }

  /** @param rows float32 [count, features] @param output what the model said of them, [count, columns] @throws what `ask` throws */
  async explain(rows: Float32Array, output: Float32Array, columns: number): Promise<Explanation> {
    return this.explainExactly(rows, scoresOf(output, columns)) ?? (await this.explainBySampling(rows));
  }

  private explainExactly(rows: Float32Array, scores: Float32Array): Explanation | undefined {
    if (this.exact === undefined) return undefined;
    const { baseValue } = this.exact;
    const contributions = this.exact.explain(rows);
    const { features } = this.model;
    const margins = Float64Array.from(scores, (_, row) => {
      let margin = baseValue;
      for (let i = 0; i < features; i++) margin += contributions[row * features + i]!;
      return margin;
    });
    if (agreesWith(scores, margins, this.largest)) return { ok: true, contributions, baseValue, by: 'tree-shap' };
    this.exact = undefined;
    return undefined;
  }

  private async explainBySampling(rows: Float32Array): Promise<Explanation> {
    const { features, background, ask } = this.model;
    const others = background.length / features;
    const askMargins: AskMargins = async (cells, count) => {
      const { output, columns } = await ask(cells, count);
      return marginsOf(output, columns);
    };
    const costOfOrder = 2 * Math.max(1, features - 1) * others;
    const options: PermutationOptions = {
      features,
      background,
      orders: Math.max(1, Math.min(mostOrders, Math.floor(permutationRows / costOfOrder))),
      maxRows: Math.max(1, Math.min(maxBatchRows, Math.floor(maxBatchCells / features))),
    };
    // One that failed is not remembered.
    this.meanOfModel ??= meanMargin(askMargins, options).catch((error: unknown) => {
      this.meanOfModel = undefined;
      throw error;
    });
    const baseValue = await this.meanOfModel;
    const contributions = new Float64Array(rows.length);
    for (let from = 0; from < rows.length; from += features)
      contributions.set(await permutationShap(askMargins, rows.slice(from, from + features), baseValue, options), from);
    return { ok: true, contributions, baseValue, by: 'permutation-shap' };
  }
}
