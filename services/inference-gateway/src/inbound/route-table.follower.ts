import { Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { Kind, Specs } from '#libs/definitions/definition-kinds.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { type FollowedDefinition, followDefinitions } from '#libs/messaging/follow-definitions.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { compileEndpoint, type EndpointPlan, type LiveEndpoint } from '../domain/endpoint-plan.js';
import type { ModelRunner } from '../domain/ports.js';

/**
 * Which endpoint is answered by which version: the newest definitions and routes of their compacted topics. They stay as they are when nobody publishes: serving
 * needs no registry. A new version is loaded and checked by a worker before traffic goes to it.
 */
export class RouteTable {
  private readonly definitions = new Map<string, unknown>();
  private readonly routes = new Map<string, Route>();
  private readonly plans = new Map<string, EndpointPlan | undefined>();
  private readonly live = new Map<string, LiveEndpoint>();
  private readonly preparing = new Map<string, string>();
  private followers: Consumer[] = [];

  constructor(
    private readonly messages: MessageLog,
    private readonly runner: ModelRunner,
    private readonly logger: Logger,
  ) {}

  /** Resolves when every definition and route that exists is known. */
  async start(): Promise<void> {
    this.followers.push(
      await followDefinitions(this.messages, this.logger, (definition) => this.onDefinition(definition)),
    );
    this.followers.push(await this.messages.follow('routesChanged', (key, value) => this.onRoute(key, value)));
  }

  async stop(): Promise<void> {
    await Promise.all(this.followers.map((follower) => follower.stop()));
  }

  /** @throws MillraceError not-found (no such endpoint or version), unavailable (nothing is live yet) */
  get(endpoint: string, version: string): LiveEndpoint {
    const found = this.live.get(endpoint);
    if (found !== undefined && (version === '' || version === found.version.version)) return found;
    const route = this.routes.get(endpoint);
    if (route === undefined || route.deleted)
      throw new MillraceError('not-found', `Request for unknown model: '${endpoint}' is not found`);
    if (version !== '' && found !== undefined)
      throw new MillraceError('not-found', `Request for unknown model: '${endpoint}' version ${version} is not found`);
    throw new MillraceError(
      'unavailable',
      `Request for unavailable model: '${endpoint}' is not at ready state: no version is live yet`,
    );
  }

  isReady(endpoint: string, version: string): boolean {
    const found = this.live.get(endpoint);
    return found !== undefined && (version === '' || version === found.version.version);
  }

  private onDefinition({ kind, name, spec }: FollowedDefinition): void {
    if (spec === undefined) this.definitions.delete(`${kind}/${name}`);
    else this.definitions.set(`${kind}/${name}`, spec);
    this.plans.clear();
    for (const endpoint of this.routes.keys()) this.refresh(endpoint);
  }

  private onRoute(key: string, value: Buffer | null): void {
    if (value === null) this.routes.delete(key);
    else this.routes.set(key, Route.decode(value));
    this.refresh(key);
  }

  private refresh(endpoint: string): void {
    const route = this.routes.get(endpoint);
    if (route === undefined || route.deleted) {
      this.live.delete(endpoint);
      return;
    }
    const version = route.live;
    const plan = this.planOf(endpoint);
    if (version === undefined || plan === undefined) return;
    const current = this.live.get(endpoint);
    if (current?.version.onnxSha256 === version.onnxSha256) this.live.set(endpoint, { plan, version });
    else void this.prepare(endpoint, version);
  }

  private async prepare(endpoint: string, version: LiveEndpoint['version']): Promise<void> {
    if (this.preparing.get(endpoint) === version.onnxSha256) return;
    this.preparing.set(endpoint, version.onnxSha256);
    for (
      let delayMs = 100;
      this.preparing.get(endpoint) === version.onnxSha256;
      delayMs = Math.min(2_000, delayMs * 2)
    ) {
      try {
        await this.runner.prepare(version.onnxSha256, version.features.length);
        if (this.preparing.get(endpoint) !== version.onnxSha256) return;
        this.preparing.delete(endpoint);
        const plan = this.planOf(endpoint);
        if (plan !== undefined) this.live.set(endpoint, { plan, version });
        this.logger.info('version_live', { endpoint, version: version.version, onnxSha256: version.onnxSha256 });
        return;
      } catch (error) {
        this.logger.warn('version_not_prepared', { endpoint, version: version.version, error: errorMessage(error) });
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    }
  }

  /** Undefined while a definition that it needs is not known. */
  private planOf(endpoint: string): EndpointPlan | undefined {
    if (!this.plans.has(endpoint)) this.plans.set(endpoint, this.compile(endpoint));
    return this.plans.get(endpoint);
  }

  private compile(name: string): EndpointPlan | undefined {
    const endpoint = this.spec('Endpoint', name);
    const model = endpoint && this.spec('Model', endpoint.model);
    const service = model && this.spec('FeatureService', model.features);
    const spine = service && this.spec('Stream', service.spine);
    if (!endpoint || !model || !service || !spine) return undefined;
    return compileEndpoint({ endpoint, model, service, spine });
  }

  private spec<K extends Kind>(kind: K, name: string): Specs[K] | undefined {
    return this.definitions.get(`${kind}/${name}`) as Specs[K] | undefined;
  }
}
