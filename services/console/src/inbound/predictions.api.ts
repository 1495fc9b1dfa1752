import { Controller, Get, Inject, Query, Req } from '@nestjs/common';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import {
  ListPredictionsRequest,
  type LoggedPrediction,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { LoggedView, LogPageView } from '../../views/predictions.view.js';
import { MeshPeers } from '../outbound/mesh-peers.client.js';
import { wholeNumber } from './numbers.js';
import { instantOf, known, numberOf, textOf } from './query-values.js';

const deadlineMs = 14_000;

/** What the Predictions page asks. */
@Controller('api/predictions')
export class PredictionsApi {
  constructor(@Inject(MeshPeers) private readonly peers: MeshPeers) {}

  /** A page of the log, by the filters of Monitor.ListPredictions; times are RFC 3339. */
  @Get()
  async list(
    @Req() request: AuthenticatedRequest,
    @Query() query: Readonly<Record<string, unknown>>,
  ): Promise<LogPageView> {
    const asked = ListPredictionsRequest.fromPartial({
      endpoint: textOf(query['endpoint']),
      modelVersion: textOf(query['version']),
      arm: textOf(query['arm']),
      fromMs: instantOf('from', query['from']),
      toMs: instantOf('to', query['to']),
      predictionId: textOf(query['id']),
      joinKey: textOf(query['key']),
      stickyKey: textOf(query['sticky']),
      label: textOf(query['label']),
      minScore: numberOf('minScore', query['minScore']),
      maxScore: numberOf('maxScore', query['maxScore']),
      fallbackOnly: textOf(query['fallback']) === 'true',
      limit: wholeNumber('limit', query['limit'], 0),
      before: textOf(query['before']),
    });
    const found = await this.peers.as(request).ask('monitor', (stub) => stub.listPredictions, asked, deadlineMs);
    return { predictions: found.predictions.map(loggedView), next: found.next };
  }
}

function loggedView({ modelVersion, requestJson, ...one }: LoggedPrediction): LoggedView {
  const { predictionId, endpoint, arm, asOfMs, answeredAtMs, joinKey, stickyKey, featureNames } = one;
  const { fallback, latencyUs, featuresUs, inferUs, cached, explained, payloadSampledOut } = one;
  const { caller, rolloutId, rolloutStep, labelSource } = one;
  return {
    predictionId,
    endpoint,
    version: modelVersion,
    arm,
    asOfMs,
    answeredAtMs,
    joinKey,
    stickyKey,
    score: known(one.score),
    label: one.label ?? null,
    labelSource,
    request: requestJson.toString('utf8'),
    features: one.features.map((value, i) => ({ name: featureNames[i] ?? '', value: known(value) })),
    fallback,
    latencyUs,
    featuresUs,
    inferUs,
    cached,
    explained,
    payloadSampledOut,
    caller,
    rolloutId,
    rolloutStep,
  };
}
