import { generator } from '../generator.js';
import { meanHarm, type Moments } from './mean-bounds.js';
import { errorHarm, type Stratum } from './share-test.js';

const { floor } = Math;
const stockSeed = 1;
const stock = makeStock(100_000);

/** Rollouts that mirror: each row is tried by both versions, and their losses are compared as soon as a batch is there. */
export interface Scenario {
  readonly seed: number;
  readonly rollouts: number;
  readonly looks: number;
  /** Rows between two looks. */
  readonly batch: number;
  readonly liveErrorRate: number;
  readonly candidateErrorRate: number;
  /** Added to each loss of the candidate, in nats; 0 = versions whose losses differ by their noise alone. */
  readonly worseLoss: number;
  /** What rows' losses differ by is drawn from these instead, in nats, candidate less live. */
  readonly differences?: Float64Array;
}

/** What one sees at a look: since the beginning, and of the last batch alone. */
export interface Look {
  readonly errors: Stratum;
  readonly loss: Moments;
  readonly batchErrors: number;
  readonly batchLoss: number;
}

/** True = roll back. */
export type Rule = (look: Look) => boolean;

export interface Outcome {
  /** Of all rollouts, 0..1. */
  readonly rolledBack: number;
  /** Predictions of the candidate until then, of those that were; NaN = none was. */
  readonly medianPredictions: number;
}

/** The judge's rule for the guardrails errors and logloss: alpha shared between them. */
export function anytimeValid(alpha: number): Rule {
  return ({ errors, loss }) => errorHarm([errors], alpha / 2).low > 0 || meanHarm(loss, alpha / 2).low > 0;
}

/** Runs a scenario and stops each rollout for each rule at its first rollback. @param rules makes a fresh rule a rollout, for a rule may remember */
export function simulateRollouts<N extends string>(
  scenario: Scenario,
  rules: Readonly<Record<N, () => Rule>>,
): Record<N, Outcome> {
  const random = generator(scenario.seed);
  const names = Object.keys(rules) as N[];
  const stops = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<N, number[]>;
  for (let i = 0; i < scenario.rollouts; i += 1) {
    const pending = new Map(names.map((name) => [name, rules[name]()]));
    for (const look of looksOf(scenario, random)) {
      for (const [name, rule] of pending) {
        if (!rule(look)) continue;
        stops[name].push(look.errors.candidateRows);
        pending.delete(name);
      }
      if (pending.size === 0) break;
    }
  }
  return Object.fromEntries(names.map((name) => [name, outcome(stops[name], scenario.rollouts)])) as Record<N, Outcome>;
}

function* looksOf(scenario: Scenario, random: () => number): Generator<Look> {
  let [rows, candidateErrors, liveErrors, sum, squares] = [0, 0, 0, 0, 0];
  for (let look = 0; look < scenario.looks; look += 1) {
    const batchErrors = binomial(random, scenario.batch, scenario.candidateErrorRate);
    liveErrors += binomial(random, scenario.batch, scenario.liveErrorRate);
    let batchSum = 0;
    for (let i = 0; i < scenario.batch; i += 1) {
      const difference = lossDifference(random, scenario.differences) + scenario.worseLoss;
      batchSum += difference;
      squares += difference * difference;
    }
    rows += scenario.batch;
    candidateErrors += batchErrors;
    sum += batchSum;
    const variance = (squares - (sum * sum) / rows) / (rows - 1);
    yield {
      errors: { candidateErrors, candidateRows: rows, liveErrors, liveRows: rows },
      loss: { n: rows, mean: sum / rows, variance },
      batchErrors: batchErrors / scenario.batch,
      batchLoss: batchSum / scenario.batch,
    };
  }
}

/** A draw of the stock with either sign as likely: the mean is 0 exactly, and a draw costs one random number. */
function lossDifference(random: () => number, given?: Float64Array): number {
  if (given !== undefined) return given[floor(random() * given.length)]!;
  const drawn = random() * 2 * stock.length;
  return drawn < stock.length ? stock[floor(drawn)]! : -stock[floor(drawn) - stock.length]!;
}

function makeStock(size: number): Float64Array {
  const random = generator(stockSeed);
  return Float64Array.from({ length: size }, () => freshDifference(random));
}

/** Log-loss of one noisy opinion of a row less that of another as noisy, with the long tails that log-losses have. */
function freshDifference(random: () => number): number {
  const truth = -1 + 1.5 * normal(random);
  const [candidate, live] = [truth + 0.5 * normal(random), truth + 0.5 * normal(random)];
  const sign = random() < 1 / (1 + Math.exp(-truth)) ? -1 : 1;
  return Math.log1p(Math.exp(sign * candidate)) - Math.log1p(Math.exp(sign * live));
}

/** Successes of so many trials, by the gaps between them: as many random numbers as successes. */
function binomial(random: () => number, trials: number, p: number): number {
  const perGap = Math.log1p(-p);
  let successes = -1;
  for (let at = -1; at < trials; successes += 1) at += 1 + Math.floor(Math.log1p(-random()) / perGap);
  return successes;
}

/** Box and Muller 1958. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function outcome(stops: readonly number[], rollouts: number): Outcome {
  const sorted = Float64Array.from(stops).sort();
  return {
    rolledBack: stops.length / rollouts,
    medianPredictions: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN,
  };
}
