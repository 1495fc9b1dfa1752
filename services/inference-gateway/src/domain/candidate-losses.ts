import { MillraceError } from '#libs/errors/millrace-error.js';
import { WorkerAway } from './worker-away.js';

/** One model that is tried, at one worker. Times count while the worker is known to be there. */
interface Visit {
  inFlight: number;
  /** In which the worker had a batch of it, or got one so soon that it would have been lost too, had the worker gone. */
  busyMs: number;
  /** Since when it has none. */
  idleSinceMs: number;
  /** Since its first batch there; of a pause between two, a minute at most. */
  thereMs: number;
  seenMs: number;
}

interface Tried {
  readonly at: Map<string, Visit>;
  losses: number;
  /** Since the last answer. */
  lossesInARow: number;
  lastLossMs: number;
  /** Logarithm of the evidence that workers go away because of it. */
  evidence: number;
}

/** A worker that goes away by itself is taken for one that a candidate has killed with a chance of at most one in so many, for each candidate. */
const falseBlames = 500;
/** Of the losses that a candidate causes, so many find none of its batches at the worker; any share is valid. */
const missed = 0.1;
/** Evidence of one loss is bounded: what kills workers may come when there is most to do, as batches do. */
const leastShare = 0.25;
const mostShare = 0.999;
/** Who is never answered leaves a worker no time to be there without it; then so many losses are enough. */
const unansweredLosses = 4;
/** A process that is killed lets go of its memory first and of its connections then, 5 ms for each 100 MB: what it is sent meanwhile is lost with what it had. */
const unnoticedMs = 50;
const longestPauseMs = 60_000;
const restMs = 30_000;
const maxModels = 100;

/**
 * Tells a worker that went away from one that a candidate has killed. Who goes away by himself does so while he has a batch of the candidate as often as he has one: with the chance q, its share of the
 * time that he is there, and of the moments before, for what he is sent before anybody knows that he is gone looks the same. Who is killed by it has one each time, or nearly. Each loss multiplies the
 * evidence by how likely it is for the one over the other, 0.9/q or 0.1/(1 - q): a test martingale, which exceeds 1/alpha with a chance of at most alpha, however many losses there are (Ville 1939; a
 * sequential likelihood ratio as Wald's, 1945). Where a worker always has a batch of it, losses say nothing.
 */
export class CandidateLosses {
  private readonly models = new Map<string, Tried>();
  /** Workers that are there, since when. */
  private readonly there = new Map<string, number>();

  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  /** A worker has answered to being called. */
  found(worker: string): void {
    this.there.set(worker, this.nowMs());
  }

  /** A worker went away that had been there. Told before its batches end. */
  lost(worker: string): void {
    for (const tried of this.models.values()) {
      const visit = this.look(tried, worker);
      const share = Math.min(mostShare, Math.max(leastShare, visit.busyMs / visit.thereMs || 0));
      const had = visit.inFlight > 0;
      tried.evidence += Math.log(had ? (1 - missed) / share : missed / (1 - share));
      if (!had) continue;
      tried.losses += 1;
      tried.lossesInARow += 1;
      tried.lastLossMs = visit.seenMs;
    }
    this.there.delete(worker);
  }

  /** A batch of it goes to a worker. */
  begin(model: string, worker: string): void {
    const visit = this.look(this.triedOf(model), worker);
    if (visit.inFlight === 0) {
      const idleMs = visit.seenMs - Math.max(visit.idleSinceMs, this.there.get(worker) ?? visit.seenMs);
      visit.busyMs += Math.min(idleMs, unnoticedMs);
    }
    visit.inFlight += 1;
  }

  /** The worker has it no more. */
  end(model: string, worker: string, answered: boolean): void {
    const tried = this.triedOf(model);
    const visit = this.look(tried, worker);
    visit.inFlight -= 1;
    visit.idleSinceMs = visit.seenMs;
    if (answered) tried.lossesInARow = 0;
  }

  /** Who kills workers is not asked for half a minute after each. @throws MillraceError unavailable, which is the model's own failure */
  refuse(model: string): void {
    const tried = this.models.get(model);
    if (tried === undefined || !isBlamed(tried)) return;
    const leftMs = tried.lastLossMs + restMs - this.nowMs();
    if (leftMs > 0)
      throw new MillraceError('unavailable', `${wordsOf(tried)}; not asked for ${Math.ceil(leftMs / 1_000)} s`);
  }

  /** What a batch of it failed with: its own failure, where a worker went with it again. */
  blame(model: string, error: unknown): unknown {
    const tried = this.models.get(model);
    if (!(error instanceof WorkerAway) || !error.hadQuestion || tried === undefined || !isBlamed(tried)) return error;
    return new MillraceError('unavailable', `${wordsOf(tried)}: ${error.message}`, { cause: error });
  }

  private triedOf(model: string): Tried {
    const known = this.models.get(model);
    if (known !== undefined) return known;
    if (this.models.size >= maxModels) this.models.delete(this.models.keys().next().value!);
    const tried: Tried = { at: new Map(), losses: 0, lossesInARow: 0, lastLossMs: 0, evidence: 0 };
    this.models.set(model, tried);
    return tried;
  }

  /** Its visit at a worker, up to now. */
  private look({ at }: Tried, worker: string): Visit {
    const nowMs = this.nowMs();
    const visit = at.get(worker) ?? { inFlight: 0, busyMs: 0, idleSinceMs: nowMs, thereMs: 0, seenMs: nowMs };
    at.set(worker, visit);
    const goneMs = nowMs - Math.max(visit.seenMs, this.there.get(worker) ?? nowMs);
    if (visit.inFlight > 0) visit.busyMs += goneMs;
    visit.thereMs += visit.inFlight > 0 ? goneMs : Math.min(goneMs, longestPauseMs);
    visit.seenMs = nowMs;
    return visit;
  }
}

function isBlamed({ evidence, lossesInARow }: Tried): boolean {
  return evidence >= Math.log(falseBlames) || lossesInARow >= unansweredLosses;
}

function wordsOf({ losses }: Tried): string {
  return `${losses} times a worker went away while it had a batch of this model`;
}
