import {
  Explainer,
  ExplanationObserver,
  type ExplanationOutcome,
  type ExplanationQuestion,
} from '../src/domain/explanation.js';

/** Says that each feature contributes its own value, when it is let go on. */
export class FakeExplainer extends Explainer {
  readonly asked: ExplanationQuestion[] = [];
  outcome: ((question: ExplanationQuestion) => ExplanationOutcome) | undefined;
  private readonly waiting: (() => void)[] = [];

  override explain(question: ExplanationQuestion): Promise<ExplanationOutcome> {
    this.asked.push(question);
    return new Promise((resolve) => this.waiting.push(() => resolve((this.outcome ?? itself)(question))));
  }

  finish(): void {
    this.waiting.shift()?.();
  }
}

function itself({ input, rows, features }: ExplanationQuestion): ExplanationOutcome {
  const cells = new Float32Array(Uint8Array.from(input).buffer);
  const contributions = Float64Array.from({ length: rows * features }, (_, i) => cells[i]!);
  return { ok: true, contributions, baseValue: 0.5, by: 'tree-shap' };
}

export class RecordingExplanations extends ExplanationObserver {
  readonly results: [result: string, rows: number][] = [];
  rows = 0;

  override explained(result: string, rows: number): void {
    this.results.push([result, rows]);
  }

  override waiting(rows: number): void {
    this.rows = rows;
  }
}
