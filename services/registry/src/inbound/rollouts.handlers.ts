import { randomUUID } from 'node:crypto';
import type { ApprovalDecided } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type {
  GetRolloutRequest,
  ListRolloutsRequest,
  ListRolloutsResponse,
  MoveRolloutRequest,
  Rollout,
  Route,
  StartRolloutRequest,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { EndpointSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { approvalNeed } from '../domain/approval-need.js';
import { moveRollout, onDecision, onJudgement, startRollout, supersede } from '../domain/rollout-machine.js';
import { routeOf } from '../domain/rollout-route.js';
import { checkFits, needDefinition } from '../domain/version-fit.js';
import type { RegistryDatabase, RegistryTransaction } from '../outbound/registry-database.js';
import type { RegistryMetrics } from '../registry.metrics.js';

const defaultLimit = 20;
const maxLimit = 1_000;

/** Rollouts: each move changes the rollout, the route and what is published in one transaction. */
export class RolloutsHandlers {
  constructor(
    private readonly database: RegistryDatabase,
    private readonly metrics: RegistryMetrics,
    private readonly onChange: () => void,
  ) {}

  /** The version of a rollout that is under way gives that rollout again, so that a start may be repeated. */
  async start(request: StartRolloutRequest, { caller }: CallContext): Promise<Rollout> {
    const cause = request.cause || `started by ${caller.name}`;
    const { rollout, moved } = await this.database.change(async (transaction) => {
      const { definitions, endpoint, candidate, before, running } = await this.offer(transaction, request);
      if (running?.candidate?.version === request.version) return { rollout: running, moved: [] };
      if (before.live?.version === request.version)
        throw new MillraceError(
          'failed-precondition',
          `version: ${request.version} is live on ${endpoint.name} already; offer another`,
        );
      const mover = { by: caller.name, cause, atMs: Date.now() };
      const start = { rolloutId: randomUUID(), endpoint, candidate, baseline: before.live, fromStep: request.fromStep };
      const run = await transaction.run(candidate.runId);
      const approval = approvalNeed(definitions, { ...start, cause, offeredBy: caller.name, run });
      const made = startRollout({ ...start, approval }, mover);
      const ended =
        running && supersede(running, { ...mover, cause: `version ${request.version} was offered: ${cause}` });
      if (ended !== undefined) await transaction.writeRollout(ended);
      await write(transaction, made, before);
      return { rollout: made, moved: ended === undefined ? [made] : [ended, made] };
    });
    this.moved(...moved);
    return rollout;
  }

  async get({ rolloutId, endpoint }: GetRolloutRequest): Promise<Rollout> {
    if ((rolloutId === '') === (endpoint === ''))
      throw new MillraceError('invalid-argument', `rollout_id "${rolloutId}", endpoint "${endpoint}": one of the two`);
    return this.database.read(async (transaction) => {
      if (rolloutId !== '') return transaction.rollout(rolloutId);
      const [newest] = await transaction.rollouts(endpoint, 1);
      if (newest === undefined) throw new MillraceError('not-found', `endpoint ${endpoint} has had no rollout`);
      return newest;
    });
  }

  async list({ endpoint, limit }: ListRolloutsRequest): Promise<ListRolloutsResponse> {
    if (limit > maxLimit) throw new MillraceError('invalid-argument', `limit: ${limit}, at most ${maxLimit}`);
    return {
      rollouts: await this.database.read((transaction) => transaction.rollouts(endpoint, limit || defaultLimit)),
    };
  }

  /** A promotion is of the step that the rollout had when it was asked for: one that a verdict overtakes is refused, for it would take a second step. */
  async move({ rolloutId, action, cause }: MoveRolloutRequest, { caller }: CallContext): Promise<Rollout> {
    const seen = await this.database.read((transaction) => transaction.rollout(rolloutId));
    const mover = { by: caller.name, cause: cause || `${action} by ${caller.name}`, atMs: Date.now() };
    const rollout = await this.database.change(async (transaction) => {
      const now = await transaction.rollout(rolloutId);
      if (action === 'promote' && now.generation !== seen.generation)
        throw new MillraceError(
          'failed-precondition',
          `promote: rollout ${rolloutId} moved meanwhile, to ${now.state}, step ${now.step}: ${now.moves.at(-1)?.cause}; ask again if that step is meant`,
        );
      const made = moveRollout(now, action, mover);
      await write(transaction, made);
      return made;
    });
    this.moved(rollout);
    return rollout;
  }

  /**
   * @param bytes of the judgement, kept with the move
   * @returns whether the rollout moved
   * @throws MillraceError not-found when there is no such rollout
   */
  async judged(judgement: Judgement, bytes: Uint8Array): Promise<boolean> {
    const rollout = await this.database.change(async (transaction) => {
      const made = onJudgement(await transaction.rollout(judgement.rolloutId), judgement, bytes, Date.now());
      if (made !== undefined) await write(transaction, made);
      return made;
    });
    if (rollout !== undefined) this.moved(rollout);
    return rollout !== undefined;
  }

  /**
   * A version that was approved is held against what is defined now: what it was trained on may have changed while it waited.
   * @returns whether the rollout moved
   * @throws MillraceError not-found when there is no such rollout
   */
  async decided(decision: ApprovalDecided): Promise<boolean> {
    const rollout = await this.database.change(async (transaction) => {
      const waiting = await transaction.rollout(decision.subject.replace(/^rollouts\//, ''));
      const unfit = decision.approved ? await whyUnfit(transaction, waiting) : undefined;
      const made = onDecision(waiting, decision, unfit, Date.now());
      if (made !== undefined) await write(transaction, made);
      return made;
    });
    if (rollout !== undefined) this.moved(rollout);
    return rollout !== undefined;
  }

  private async offer(transaction: RegistryTransaction, { endpoint: name, version }: StartRolloutRequest) {
    const definitions = await transaction.definitions();
    const endpoint = needDefinition<EndpointSpec>(definitions, 'Endpoint', name);
    const candidate = await transaction.version(endpoint.model, version);
    checkFits(candidate, definitions);
    const before = await routeBefore(transaction, name);
    return { definitions, endpoint, candidate, before, running: await transaction.rolloutUnderWay(name) };
  }

  private moved(...rollouts: readonly Rollout[]): void {
    for (const { state } of rollouts) this.metrics.rolloutMoves.inc({ to: state });
    this.onChange();
  }
}

async function whyUnfit(transaction: RegistryTransaction, { candidate }: Rollout): Promise<string | undefined> {
  try {
    checkFits(candidate!, await transaction.definitions());
    return undefined;
  } catch (error) {
    if (error instanceof MillraceError) return error.message;
    throw error;
  }
}

async function write(transaction: RegistryTransaction, rollout: Rollout, before?: Route): Promise<void> {
  const route = before ?? (await routeBefore(transaction, rollout.endpoint));
  await transaction.writeRollout(rollout);
  await transaction.writeRoute(routeOf(route, rollout, Date.now()));
}

/** An endpoint has a route from its first day. */
async function routeBefore(transaction: RegistryTransaction, endpoint: string): Promise<Route> {
  const route = await transaction.route(endpoint);
  if (route === undefined) throw new MillraceError('not-found', `there is no endpoint ${endpoint}`);
  return route;
}
