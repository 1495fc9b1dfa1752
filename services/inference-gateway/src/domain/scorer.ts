import { MillraceError } from '#libs/errors/millrace-error.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { type Arm, type CandidateArm, inputOf, type LiveEndpoint } from './arms.js';
import { vectorsOf } from './given-vectors.js';
import { LateRequest } from './late-request.js';
import { failuresOf, instantOf, isCallersFault, stickyKeyOf } from './logged-rows.js';
import type { CachedRunner } from './cached-scores.js';
import type { Features, FeatureSource, ModelRunner, PredictionLog } from './ports.js';
import type { RequestRows } from './read-request.js';
import { finite, type Scored } from './scored.js';
import { answers } from './split.js';

const unseen: Features['snapshot'] = [];
const noFeatures = new Float32Array(0);

/** The rows of one request on their way to scores. */
interface Scoring {
  readonly endpoint: LiveEndpoint;
  /** The caller's vectors; undefined = they were fetched. */
  readonly given: Float32Array | undefined;
  readonly features: readonly Features[];
  readonly trace: TraceContext | undefined;
  readonly untilMs: number;
  /** [rows], 1 = answered without a run; undefined = the endpoint has no response cache. */
  readonly cached: Uint8Array | undefined;
}

/** Rows -> features -> scores: each row by the version that its sticky key falls to, and by the live one where the candidate fails. */
export class Scorer {
  constructor(
    private readonly features: FeatureSource,
    private readonly runner: ModelRunner,
    private readonly log: PredictionLog,
    private readonly cachedRunner?: CachedRunner,
  ) {}

  /**
   * @param texts the rows as UTF-8 JSON objects @param untilMs when the caller waits no longer, epoch ms
   * @throws MillraceError where a row cannot be scored and no fallback is declared, or the request is what is wrong
   */
  async score(
    endpoint: LiveEndpoint,
    asked: RequestRows,
    texts: readonly Uint8Array[],
    trace?: TraceContext,
    untilMs = Number.POSITIVE_INFINITY,
  ): Promise<Scored> {
    const byCandidate = drawn(endpoint, asked);
    const cached = endpoint.plan.cache === undefined ? undefined : new Uint8Array(asked.rows.length);
    const startedMs = performance.now();
    try {
      const features = await this.vectors(endpoint, asked, texts, byCandidate, trace, untilMs);
      const featuresMs = performance.now();
      const scoring = { endpoint, given: asked.given, features, trace, untilMs, cached };
      const scores =
        byCandidate === undefined
          ? await this.run(scoring, endpoint)
          : await this.runArms(scoring, endpoint.candidate!, byCandidate);
      const timesMs = { features: featuresMs - startedMs, infer: performance.now() - featuresMs };
      return { scores, features, fallback: false, byCandidate, cached, timesMs };
    } catch (error) {
      return fallback(endpoint, asked, error);
    }
  }

  /**
   * The same of vectors that came with nothing beside them: no row has a key, so none is the candidate's.
   * @param given float32 [rows, features] @param asOfMs of all of them @param untilMs when the caller waits no longer, epoch ms
   * @throws MillraceError as `score`
   */
  async scoreGiven(
    endpoint: LiveEndpoint,
    given: Float32Array,
    rows: number,
    asOfMs: number,
    trace: TraceContext | undefined,
    untilMs: number,
  ): Promise<Omit<Scored, 'features'>> {
    const { version, arm, plan } = endpoint;
    const startedMs = performance.now();
    try {
      const scores = await this.runner.run(version.onnxSha256, rows, given, arm, trace, untilMs);
      if (arm === 'canary') finite(scores);
      const timesMs = { features: 0, infer: performance.now() - startedMs };
      return { scores, fallback: false, byCandidate: undefined, timesMs };
    } catch (error) {
      const instants = Array.from({ length: rows }, () => asOfMs);
      this.note(error, failuresOf(endpoint, endpoint, instants, error));
      return { scores: fallbackScores(plan, rows, error), fallback: true, byCandidate: undefined, timesMs: undefined };
    }
  }

  /** Asked for once, whichever versions answer; what fails here fails for each row's own arm. */
  private async vectors(
    endpoint: LiveEndpoint,
    { rows, given }: RequestRows,
    texts: readonly Uint8Array[],
    byCandidate: Uint8Array | undefined,
    trace: TraceContext | undefined,
    untilMs: number,
  ): Promise<readonly Features[]> {
    const { plan, version } = endpoint;
    if (given !== undefined) return vectorsOf(given, rows.length, (row) => instantOf(rows[row]!, plan.eventTime));
    try {
      return await this.features.get(plan.featureService, version.featureServiceDigest, texts, trace, untilMs);
    } catch (error) {
      const instants = rows.map((row) => instantOf(row, plan.eventTime));
      const armOf = (i: number): Arm => (byCandidate?.[i] === 1 ? endpoint.candidate! : endpoint);
      this.note(
        error,
        instants.flatMap((asOfMs, i) => failuresOf(endpoint, armOf(i), [asOfMs], error)),
      );
      throw error;
    }
  }

  /** Both versions at once. Rows that the candidate fails go to the live one, and their mark is taken off. */
  private async runArms(scoring: Scoring, candidate: CandidateArm, byCandidate: Uint8Array): Promise<Float32Array> {
    const { endpoint } = scoring;
    const scores = new Float32Array(scoring.features.length);
    const fill = async (arm: Arm, rows: readonly number[]): Promise<void> => {
      if (rows.length === 0) return;
      const part = await this.run(scoring, arm, rows);
      for (let i = 0; i < rows.length; i++) scores[rows[i]!] = part[i]!;
    };
    const theirs = rowsOf(byCandidate, 1);
    const ours = fill(endpoint, rowsOf(byCandidate, 0));
    const canary = fill(candidate, theirs).catch(async (error: unknown) => {
      if (isCallersFault(error)) throw error;
      byCandidate.fill(0);
      await fill(endpoint, theirs);
    });
    await Promise.all([ours, canary]);
    return scores;
  }

  /** @param rows which of them; undefined = all */
  private async run(scoring: Scoring, arm: Arm, rows?: readonly number[]): Promise<Float32Array> {
    const { endpoint, given, features, trace, untilMs, cached } = scoring;
    try {
      const columns = given === undefined ? arm.columns : undefined;
      const input = given !== undefined && rows === undefined ? given : inputOf(arm.version, columns, features, rows);
      const count = rows?.length ?? features.length;
      const scores =
        cached === undefined || this.cachedRunner === undefined
          ? await this.runner.run(arm.version.onnxSha256, count, input, arm.arm, trace, untilMs)
          : await this.cachedRunner.run(endpoint.plan, arm, count, input, trace, untilMs, (row, hit) => {
              cached[rows?.[row] ?? row] = hit;
            });
      return arm.arm === 'canary' ? finite(scores) : scores;
    } catch (error) {
      const failed = rows === undefined ? features : rows.map((i) => features[i]!);
      this.note(
        error,
        failuresOf(
          endpoint,
          arm,
          failed.map(({ asOfMs }) => asOfMs),
          error,
        ),
      );
      throw error;
    }
  }

  private note(error: unknown, failures: ReturnType<typeof failuresOf>): void {
    if (!isCallersFault(error)) this.log.note({ failures });
  }
}

/** Which rows the candidate answers; undefined = none. A vector that is given whole is the live version's. */
function drawn({ plan, candidate }: LiveEndpoint, { rows, given }: RequestRows): Uint8Array | undefined {
  if (candidate === undefined || candidate.percent <= 0) return undefined;
  if (given !== undefined && !candidate.takesGiven) return undefined;
  const { rolloutId, percent } = candidate;
  const marks = Uint8Array.from(rows, (row) => (answers(rolloutId, stickyKeyOf(plan, row), percent) ? 1 : 0));
  return marks.includes(1) ? marks : undefined;
}

function rowsOf(marks: Uint8Array, wanted: 0 | 1): number[] {
  const rows: number[] = [];
  for (let i = 0; i < marks.length; i++) if (marks[i] === wanted) rows.push(i);
  return rows;
}

/** A fallback answers for parts that are away, never for a request that is wrong. @throws the error where there is none */
function fallbackScores({ fallbackPrediction }: LiveEndpoint['plan'], rows: number, error: unknown): Float32Array {
  if (fallbackPrediction === undefined || !(error instanceof MillraceError) || !isOutage(error)) throw error;
  if (error instanceof LateRequest) throw error;
  return new Float32Array(rows).fill(fallbackPrediction);
}

function fallback({ plan }: LiveEndpoint, { rows }: RequestRows, error: unknown): Scored {
  const scores = fallbackScores(plan, rows.length, error);
  const features = rows.map((row) => ({
    values: noFeatures,
    asOfMs: instantOf(row, plan.eventTime),
    snapshot: unseen,
  }));
  return { scores, features, fallback: true, byCandidate: undefined, timesMs: undefined };
}

function isOutage(error: MillraceError): boolean {
  return error.code === 'unavailable' || error.code === 'deadline-exceeded' || error.code === 'internal';
}
