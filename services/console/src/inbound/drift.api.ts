import { Controller, Get, Inject, Query, Req } from '@nestjs/common';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import type {
  Alert,
  Estimate,
  FeatureDrift,
  PerformancePart,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type {
  AlertChangeView,
  DriftView,
  EstimateView,
  FeatureDriftView,
  PerformanceView,
  PerformanceWindowView,
} from '../../views/drift.view.js';
import { MeshPeers } from '../outbound/mesh-peers.client.js';
import { wholeNumber } from './numbers.js';
import { known, textOf } from './query-values.js';

/** Both read the prediction log. */
const deadlineMs = 14_000;
const mostAlerts = 100;

/** What the Drift page asks. */
@Controller('api/drift')
export class DriftApi {
  constructor(@Inject(MeshPeers) private readonly peers: MeshPeers) {}

  @Get('endpoints')
  async endpoints(@Req() request: AuthenticatedRequest): Promise<string[]> {
    const asked = { kind: 'Endpoint', name: '' };
    const { definitions } = await this.peers.as(request).ask('registry', (stub) => stub.listDefinitions, asked);
    return definitions.filter(({ deleted }) => !deleted).map(({ name }) => name);
  }

  /** @param version empty = the live one */
  @Get()
  async drift(
    @Req() request: AuthenticatedRequest,
    @Query('endpoint') endpoint: unknown,
    @Query('version') version: unknown,
  ): Promise<DriftView> {
    const asked = { endpoint: textOf(endpoint), modelVersion: textOf(version), fromMs: 0, toMs: 0 };
    const found = await this.peers.as(request).ask('monitor', (stub) => stub.getDrift, asked, deadlineMs);
    const { rows, fromMs, toMs, modelVersion, statistic } = found;
    return { features: found.features.map(driftView), rows, fromMs, toMs, version: modelVersion, statistic };
  }

  /** @param stepMs length of a window of as_of; empty = only the whole */
  @Get('performance')
  async performance(
    @Req() request: AuthenticatedRequest,
    @Query('endpoint') endpoint: unknown,
    @Query('version') version: unknown,
    @Query('stepMs') stepMs: unknown,
  ): Promise<PerformanceView> {
    const asked = {
      endpoint: textOf(endpoint),
      modelVersion: textOf(version),
      fromMs: 0,
      toMs: 0,
      segment: '',
      stepMs: wholeNumber('stepMs', stepMs, 0),
    };
    const found = await this.peers.as(request).ask('monitor', (stub) => stub.getPerformance, asked, deadlineMs);
    return {
      predictions: found.predictions,
      labelled: found.labelled,
      metrics: estimates(found.metrics),
      estimated: estimates(found.estimated),
      concept: found.concept === undefined ? null : estimate(found.concept),
      windows: found.windows.map(windowView),
    };
  }

  /** The newest 100 changes. */
  @Get('alerts')
  async alerts(@Req() request: AuthenticatedRequest, @Query('endpoint') endpoint: unknown): Promise<AlertChangeView[]> {
    const asked = { endpoint: textOf(endpoint), firingOnly: false, limit: mostAlerts };
    const { alerts } = await this.peers.as(request).ask('monitor', (stub) => stub.listAlerts, asked);
    return alerts.map(alertView);
  }
}

function driftView(one: FeatureDrift): FeatureDriftView {
  return {
    feature: one.feature,
    psi: known(one.psi),
    ks: known(one.ks),
    js: known(one.js),
    wasserstein: known(one.wasserstein),
    rows: one.rows,
    nullShare: known(one.nullShare),
    referenceNullShare: known(one.referenceNullShare),
    threshold: known(one.threshold),
    drifted: one.drifted,
  };
}

function windowView({ fromMs, toMs, predictions, labelled, ...one }: PerformancePart): PerformanceWindowView {
  const [metrics, estimated] = [estimates(one.metrics), estimates(one.estimated)];
  return { fromMs, toMs, predictions, labelled, metrics, estimated };
}

function estimates(found: Readonly<Record<string, Estimate>>): Record<string, EstimateView> {
  return Object.fromEntries(Object.entries(found).map(([name, value]) => [name, estimate(value)]));
}

function estimate({ value, low, high }: Estimate): EstimateView {
  return { value: known(value), low: known(low), high: known(high) };
}

function alertView(alert: Alert): AlertChangeView {
  const { fingerprint, monitor, endpoint, modelVersion, breach, state, summary, features, actions } = alert;
  const { startsMs, endsMs } = alert;
  const what = { monitor, endpoint, version: modelVersion, breach, state, summary, features, actions };
  return { fingerprint, ...what, startsMs, endsMs };
}
