import { MillraceError } from '#libs/errors/millrace-error.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { type Arm, inputOf, type LiveEndpoint } from './arms.js';
import { checkBackground } from './explain-request.js';
import type { Explanation, ModelRunner, Unlogged } from './ports.js';
import type { RequestRows } from './read-request.js';
import type { Scored } from './scored.js';

/** The rows of one request, explained. */
export interface Explained {
  /** Of the features, in the order of the contributions. */
  readonly names: readonly string[];
  /** float64 [rows, names], row-major. */
  readonly contributions: Float64Array;
  /** float64 [rows]; base value and contributions of a row make up its margin. */
  readonly baseValues: Float64Array;
  /** [rows]: tree-shap (exact), permutation-shap (sampled). */
  readonly by: readonly string[];
}

/** Explains each row by the version that answered it. */
export class Explainer {
  constructor(private readonly runner: ModelRunner) {}

  /**
   * Where two versions answered, the features are all that either reads, in the order of the feature service; what a version does not read contributes 0 to its rows.
   * @throws MillraceError failed-precondition (a version without background), unavailable (the fallback answers), deadline-exceeded, resource-exhausted, internal
   */
  async explain(
    endpoint: LiveEndpoint,
    asked: RequestRows,
    scored: Scored,
    trace?: TraceContext,
    untilMs = Number.POSITIVE_INFINITY,
  ): Promise<Explained> {
    if (scored.fallback)
      throw new MillraceError(
        'unavailable',
        `explain: the declared fallback answers for '${endpoint.plan.name}', which no model explains; ask without explain, or again later`,
      );
    const parts = partsOf(endpoint, scored);
    const names = namesOf(endpoint, parts);
    const rows = scored.scores.length;
    const contributions = new Float64Array(rows * names.length);
    const baseValues = new Float64Array(rows);
    const by = Array.from({ length: rows }, () => '');
    const explain = async ({ arm, rows: mine }: Part): Promise<void> => {
      const explanation = await this.ask(arm, asked, scored, mine, trace, untilMs);
      const places = arm.version.features.map((name) => names.indexOf(name));
      mine.forEach((row, i) => {
        baseValues[row] = explanation.baseValue;
        by[row] = explanation.by;
        for (let j = 0; j < places.length; j++)
          contributions[row * names.length + places[j]!] = explanation.contributions[i * places.length + j]!;
      });
    };
    await Promise.all(parts.map(explain));
    return { names, contributions, baseValues, by };
  }

  private ask(
    { version, columns }: Arm,
    { given }: RequestRows,
    { features }: Scored,
    rows: readonly number[],
    trace: TraceContext | undefined,
    untilMs: number,
  ): Promise<Explanation> {
    checkBackground(version);
    const input = inputOf(version, given === undefined ? columns : undefined, features, rows);
    const { onnxSha256, backgroundSha256 } = version;
    return this.runner.explain({ onnxSha256, backgroundSha256, rows: rows.length, input, trace, untilMs });
  }
}

interface Part {
  readonly arm: Arm;
  readonly rows: readonly number[];
}

function partsOf(endpoint: LiveEndpoint, { scores, byCandidate }: Scored): Part[] {
  const rowsOf = (mark: 0 | 1) => [...scores.keys()].filter((row) => (byCandidate?.[row] ?? 0) === mark);
  const parts: Part[] = [{ arm: endpoint, rows: rowsOf(0) }];
  if (endpoint.candidate !== undefined) parts.push({ arm: endpoint.candidate, rows: rowsOf(1) });
  return parts.filter(({ rows }) => rows.length > 0);
}

function namesOf({ plan }: LiveEndpoint, parts: readonly Part[]): readonly string[] {
  const [first, ...others] = parts.map(({ arm }) => arm.version.features);
  if (others.every((names) => names.join() === first!.join())) return first!;
  const read = new Set([first!, ...others].flat());
  return plan.features.filter((name) => read.has(name));
}

/** For the log. */
export function markExplained(rows: readonly Unlogged[]): void {
  for (const { prediction } of rows) prediction.explained = true;
}
