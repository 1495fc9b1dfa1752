import { All, Controller, Inject, Req, Res } from '@nestjs/common';
import type { Response } from 'express';
import { type InferenceRoute, inferenceRoute } from '#libs/auth/inference-routes.js';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { modelConfig, modelMetadata } from '../domain/model-metadata.js';
import { InferenceCalls } from './inference-calls.js';
import { type notOffered, refuseNotOffered } from './not-offered.js';
import { configJson, metadataJson, restAnswer, statisticsJson } from './rest-answer.js';
import { BodyReader, packed } from './rest-body.js';
import { readRestRequest, type RestInferRequest } from './rest-infer-request.js';
import { RouteTable } from './route-table.follower.js';
import { serverMetadata } from './server-metadata.js';

const notServed: Readonly<Record<string, keyof typeof notOffered>> = {
  RepositoryModelLoad: 'load',
  RepositoryModelUnload: 'unload',
  TraceSetting: 'trace',
  LogSettings: 'logging',
};

/** The Open Inference Protocol's REST form, with Triton's extensions: the same rpcs as over gRPC, by the routes of libs/auth/inference-routes.ts. */
@Controller()
export class OpenInferenceController {
  constructor(
    @Inject(RouteTable) private readonly routes: RouteTable,
    @Inject(InferenceCalls) private readonly calls: InferenceCalls,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(BodyReader) private readonly bodies: BodyReader,
  ) {}

  /** Triton's clients read the status, KServe's the body. */
  @All(['v2/health/live', 'v2/health/ready'])
  health(@Req() request: AuthenticatedRequest, @Res() response: Response): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      throw new MillraceError('method-not-allowed', `${request.method} is not allowed here, use GET or HEAD`);
    }
    const { live, ready } = this.readiness;
    if (request.path.endsWith('live')) sendJson(response, live ? 200 : 503, { live });
    else sendJson(response, ready ? 200 : 503, { ready });
  }

  @All(['v2', 'v2/*path'])
  async answer(@Req() request: AuthenticatedRequest, @Res() response: Response): Promise<void> {
    const route = inferenceRoute(request.path);
    if (route === undefined) throw new MillraceError('not-found', `Cannot ${request.method} ${request.path}`);
    if (route.rpc === 'ModelInfer') return this.infer(route, request, response);
    if (route.rpc === 'ModelReady') return this.modelReady(route, response);
    const body = await this.told(route, request, response);
    response.setHeader('content-type', 'application/json');
    response.end(await packed(request, response, Buffer.from(JSON.stringify(body))));
  }

  private async infer(
    { route, name, version }: InferenceRoute,
    request: AuthenticatedRequest,
    response: Response,
  ): Promise<void> {
    if (!route.endsWith('/infer')) refuseNotOffered('generate');
    this.calls.admit();
    const body = await this.bodies.read(request, response);
    let asked: RestInferRequest | undefined;
    const answer = await this.calls.infer(
      name,
      version,
      (endpoint) => (asked = readRestRequest(endpoint, request.headers, body)),
      request.caller!,
      Number.POSITIVE_INFINITY,
    );
    const made = restAnswer(answer, asked!.isBinary);
    response.setHeader('content-type', made.jsonBytes === undefined ? 'application/json' : 'application/octet-stream');
    if (made.jsonBytes !== undefined) response.setHeader('Inference-Header-Content-Length', made.jsonBytes);
    response.end(await packed(request, response, made.body));
  }

  private modelReady({ name, version }: InferenceRoute, response: Response): void {
    const ready = this.routes.isReady(name, version);
    sendJson(response, ready ? 200 : 400, { name, ready, ...(ready ? {} : { error: 'Model version not ready' }) });
  }

  /** What a route of one rpc but ModelInfer and ModelReady says. */
  private async told(
    { route, rpc, name, version }: InferenceRoute,
    request: AuthenticatedRequest,
    response: Response,
  ): Promise<object> {
    switch (rpc) {
      case 'ServerMetadata':
        return serverMetadata;
      case 'ModelMetadata':
        return metadataJson(modelMetadata(this.routes.get(name, version)));
      case 'ModelConfig':
        return configJson(modelConfig(this.routes.get(name, version)));
      case 'ModelStatistics':
        return statisticsJson(this.calls.statistics(name, version));
      case 'RepositoryIndex':
        return route === '/v2/models'
          ? { models: [...new Set(this.routes.index(false).map((one) => one.name))] }
          : this.routes.index(readyOnly(await this.bodies.read(request, response)));
      default:
        return refuseNotOffered(notServed[rpc] ?? 'sharedMemory');
    }
  }
}

/** Without the charset that express adds, for clients that compare the type as a whole. */
function sendJson(response: Response, status: number, body: object): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(body));
}

function readyOnly(body: Buffer): boolean {
  if (body.length === 0) return false;
  try {
    const { ready = false } = JSON.parse(body.toString('utf8')) as { ready?: unknown };
    if (typeof ready === 'boolean') return ready;
  } catch (error) {
    throw new MillraceError('invalid-argument', 'body: expected JSON, e.g. {"ready": true}', { cause: error });
  }
  throw new MillraceError('invalid-argument', 'ready: expected true or false');
}
