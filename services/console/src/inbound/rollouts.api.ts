import { Controller, Get, HttpCode, Inject, Post, Query, Req } from '@nestjs/common';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import type { Evidence, Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { EvidenceView, JudgementView, RolloutDetailView } from '../../views/rollouts.view.js';
import { MeshPeers } from '../outbound/mesh-peers.client.js';
import { bodyText, known, textOf } from './query-values.js';
import { readJson } from './read-json.js';

const mostRollouts = 200;
const mostJudgements = 500;

/** What the Rollouts page asks, and does. */
@Controller('api/rollouts')
export class RolloutsApi {
  constructor(@Inject(MeshPeers) private readonly peers: MeshPeers) {}

  /** The newest 200, newest first. */
  @Get()
  async rollouts(@Req() request: AuthenticatedRequest): Promise<RolloutDetailView[]> {
    const asked = { endpoint: '', limit: mostRollouts };
    const { rollouts } = await this.peers.as(request).ask('registry', (stub) => stub.listRollouts, asked);
    return rollouts.map(rolloutView);
  }

  @Get('one')
  async one(@Req() request: AuthenticatedRequest, @Query('id') id: unknown): Promise<RolloutDetailView> {
    const asked = { rolloutId: textOf(id), endpoint: '' };
    return rolloutView(await this.peers.as(request).ask('registry', (stub) => stub.getRollout, asked));
  }

  /** The newest 500, oldest first. */
  @Get('judgements')
  async judgements(@Req() request: AuthenticatedRequest, @Query('id') id: unknown): Promise<JudgementView[]> {
    const asked = { rolloutId: textOf(id), limit: mostJudgements };
    const { judgements } = await this.peers.as(request).ask('monitor', (stub) => stub.getJudgements, asked);
    return judgements.map(judgementView).reverse();
  }

  /** `{rolloutId, action, cause}`. */
  @Post('move')
  @HttpCode(200)
  async move(@Req() request: AuthenticatedRequest): Promise<RolloutDetailView> {
    const body = await readJson(request);
    const asked = {
      rolloutId: bodyText(body, 'rolloutId'),
      action: bodyText(body, 'action'),
      cause: bodyText(body, 'cause'),
    };
    return rolloutView(await this.peers.as(request).ask('registry', (stub) => stub.moveRollout, asked));
  }
}

function rolloutView(rollout: Rollout): RolloutDetailView {
  const { rolloutId, endpoint, model, candidate, baseline, steps, state, step, pausedFrom } = rollout;
  const { cause, startedBy, startedMs, approvalDigest, moves } = rollout;
  return {
    rolloutId,
    endpoint,
    model,
    version: candidate?.version ?? '',
    baseline: baseline?.version ?? '',
    steps: steps.map(({ kind, percent, predictions }) => ({ kind, percent, predictions })),
    state,
    step,
    pausedFrom,
    cause,
    startedBy,
    startedMs,
    approvalDigest,
    moves: moves.map(({ from, to, step, cause, movedBy, movedMs }) => ({ from, to, step, cause, movedBy, movedMs })),
  };
}

function judgementView(judgement: Judgement): JudgementView {
  const { judgedMs, step, outcome, reason, stepPredictions, neededPredictions, evidence } = judgement;
  return {
    judgedMs,
    step,
    outcome,
    reason,
    stepPredictions,
    neededPredictions,
    evidence: evidence.map(evidenceView),
  };
}

function evidenceView({ harm, low, high, margin, ...rest }: Evidence): EvidenceView {
  return { ...rest, harm: known(harm), low: known(low), high: known(high), margin: known(margin) };
}
