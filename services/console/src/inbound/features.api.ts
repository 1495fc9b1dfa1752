import { Controller, Get, Inject, Post, Req } from '@nestjs/common';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import type { StreamPosition, VectorsResponse } from '#libs/contracts/generated/millrace/features/v1/features.js';
import { errorCodes, type ErrorCode, MillraceError } from '#libs/errors/millrace-error.js';
import {
  featureNames,
  type FeatureServiceSpec,
  type FeatureViewSpec,
  type StreamSpec,
} from '#libs/definitions/definition-kinds.js';
import { float32View } from '#libs/tensors/tensor-codec.js';
import type { CatalogView, VectorView, WatermarkView } from '../../views/features.view.js';
import { serviceOf, viewOf } from '../domain/feature-catalog.js';
import { type Mesh, MeshPeers } from '../outbound/mesh-peers.client.js';
import { wholeNumber } from './numbers.js';
import { readJson } from './read-json.js';

/** What the Features page asks. */
@Controller('api/features')
export class FeaturesApi {
  constructor(@Inject(MeshPeers) private readonly peers: MeshPeers) {}

  @Get()
  async catalog(@Req() request: AuthenticatedRequest): Promise<CatalogView> {
    const mesh = this.peers.as(request);
    const [streams, views, services] = await Promise.all([
      specs<StreamSpec>(mesh, 'Stream'),
      specs<FeatureViewSpec>(mesh, 'FeatureView'),
      specs<FeatureServiceSpec>(mesh, 'FeatureService'),
    ]);
    const spines = new Map(streams.map((stream) => [stream.name, stream]));
    return {
      views: views.map(viewOf),
      services: services.map((service) => serviceOf(service, spines.get(service.spine))),
    };
  }

  @Get('watermarks')
  async watermarks(@Req() request: AuthenticatedRequest): Promise<WatermarkView[]> {
    const asked = { streams: [] };
    const { positions } = await this.peers.as(request).ask('feature-store', (stub) => stub.getWatermarks, asked);
    return positions.map(toWatermark);
  }

  /** One vector: `{service, row, asOfMs}`, row = the spine's columns, asOfMs 0 = now. */
  @Post('vector')
  async vector(@Req() request: AuthenticatedRequest): Promise<VectorView> {
    const { service, row, asOfMs } = await readJson(request);
    if (typeof service !== 'string' || service === '')
      throw new MillraceError('invalid-argument', 'service: must name a FeatureService');
    const mesh = this.peers.as(request);
    const [spec] = await specs<FeatureServiceSpec>(mesh, 'FeatureService', service);
    if (spec === undefined) throw new MillraceError('not-found', `service: there is no FeatureService "${service}"`);
    const asked = {
      batchId: 1,
      traceparents: [],
      timeoutMs: 0,
      sentAtMs: 0,
      featureService: service,
      rows: [Buffer.from(JSON.stringify(row ?? {}))],
      asOfMs: [wholeNumber('asOfMs', asOfMs, 0) || Date.now()],
    };
    return toVector(await mesh.ask('feature-store', (stub) => stub.getVectors, asked), featureNames(spec));
  }
}

async function specs<S>(mesh: Mesh, kind: string, name = ''): Promise<S[]> {
  const { definitions } = await mesh.ask('registry', (stub) => stub.listDefinitions, { kind, name });
  const there = definitions.filter(({ deleted }) => !deleted);
  return there.map(({ specJson }) => JSON.parse(specJson.toString('utf8')) as S);
}

function toWatermark({ stream, watermarkMs }: StreamPosition): WatermarkView {
  return { stream, watermarkMs };
}

/** @throws MillraceError where the store refused the batch or its row */
function toVector(response: VectorsResponse, names: readonly string[]): VectorView {
  const refused =
    response.errors[0] ??
    (response.errorCode === '' ? undefined : { code: response.errorCode, message: response.errorMessage });
  if (refused !== undefined)
    throw new MillraceError(
      refused.code in errorCodes ? (refused.code as ErrorCode) : 'invalid-argument',
      `feature-store: ${refused.message}`,
    );
  const values = float32View(response.vectors);
  if (values.length !== names.length)
    throw new MillraceError(
      'failed-precondition',
      `feature-store: answered ${values.length} features, and the definition has ${names.length}; it may have changed this moment`,
    );
  return {
    asOfMs: response.asOfMs[0] ?? 0,
    features: names.map((name, i) => ({ name, value: Number.isNaN(values[i]) ? null : values[i]! })),
    fallback: response.fallback,
    positions: response.positions.map(toWatermark),
  };
}
