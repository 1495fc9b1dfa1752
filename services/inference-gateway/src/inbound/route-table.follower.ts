import type { RepositoryIndexResponse_ModelIndex } from '#libs/contracts/generated/inference/v2/inference.js';
import { type Candidate, type ModelVersion, Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { type FeatureViewSpec, isTabular, type Kind, type Specs } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type FollowedDefinition, followDefinitions } from '#libs/messaging/follow-definitions.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { shown } from '#libs/tensors/tensor-codec.js';
import { endpointOf, namedVersion } from '../domain/arms.js';
import { compileEndpoint, type EndpointPlan } from '../domain/endpoint-plan.js';
import type { ModelRunner } from '../domain/ports.js';
import {
  differenceOf,
  namedTensorVersion,
  originOf,
  type ServedEndpoint,
  type Signature,
  tensorEndpoint,
  type TensorPlan,
  tensorPlan,
} from '../domain/tensor-endpoint.js';
import type { TensorRunner } from '../domain/tensor-ports.js';
import { ModelPreparer } from './model-preparer.js';

/**
 * Which endpoint is answered by which version: the newest definitions and routes of their compacted topics. They stay as they are when nobody publishes: serving
 * needs no registry. A version is loaded and checked by a worker before traffic goes to it; until then the one before answers, or a candidate is not shown anything.
 */
export class RouteTable {
  private readonly definitions = new Map<string, unknown>();
  private readonly routes = new Map<string, Route>();
  private readonly plans = new Map<string, EndpointPlan | TensorPlan | undefined>();
  private readonly live = new Map<string, ServedEndpoint>();
  /** Of versions of tensor models, by where they run from. */
  private readonly signatures = new Map<string, Signature>();
  private readonly preparer: ModelPreparer;
  private followers: Consumer[] = [];

  constructor(
    private readonly messages: MessageLog,
    private readonly runner: ModelRunner,
    private readonly tensors: TensorRunner,
    private readonly logger: Logger,
  ) {
    this.preparer = new ModelPreparer(
      (endpoint, version) => this.load(endpoint, version),
      logger,
      (endpoint) => this.serve(endpoint),
    );
  }

  /** Resolves when every definition and route that exists is known. */
  async start(): Promise<void> {
    this.followers.push(
      await followDefinitions(this.messages, this.logger, (definition) => this.onDefinition(definition)),
    );
    this.followers.push(await this.messages.follow('routesChanged', (key, value) => this.onRoute(key, value)));
  }

  async stop(): Promise<void> {
    this.preparer.stop();
    await Promise.all(this.followers.map((follower) => follower.stop()));
  }

  /** @param version empty = whichever is to answer; else the live one or the candidate, which then answers everything. @throws MillraceError not-found (no such endpoint or version), unavailable (nothing is live yet) */
  get(endpoint: string, version: string): ServedEndpoint {
    const found = this.live.get(endpoint);
    const answering = found === undefined || version === '' ? found : named(found, version);
    if (answering !== undefined) return answering;
    const route = this.routes.get(endpoint);
    if (route === undefined || route.deleted)
      throw new MillraceError('not-found', `Request for unknown model: '${shown(endpoint)}' is not found`);
    if (version !== '' && found !== undefined)
      throw new MillraceError(
        'not-found',
        `Request for unknown model: '${endpoint}' version ${shown(version)} is not found`,
      );
    throw new MillraceError(
      'unavailable',
      `Request for unavailable model: '${endpoint}' is not at ready state: no version is live yet`,
    );
  }

  isReady(endpoint: string, version: string): boolean {
    const found = this.live.get(endpoint);
    return found !== undefined && (version === '' || named(found, version) !== undefined);
  }

  has(endpoint: string): boolean {
    return this.routes.has(endpoint);
  }

  /** What can be asked, with its versions: READY where a worker has it and it answers. @param readyOnly leave out what is not */
  index(readyOnly: boolean): RepositoryIndexResponse_ModelIndex[] {
    return [...this.routes].flatMap(([name, route]) => {
      if (route.deleted) return [];
      const versions = [route.live, route.candidate?.version].filter((version) => version !== undefined);
      if (versions.length === 0 && !readyOnly)
        return [{ name, version: '', state: 'UNAVAILABLE', reason: 'no version is live yet' }];
      const entries = versions.map(({ version }) =>
        this.isReady(name, version)
          ? { name, version, state: 'READY', reason: '' }
          : { name, version, state: 'LOADING', reason: 'no worker has loaded and checked it yet' },
      );
      return readyOnly ? entries.filter(({ state }) => state === 'READY') : entries;
    });
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
      this.preparer.forget(endpoint);
      return;
    }
    if (route.live === undefined || this.planOf(endpoint) === undefined) return;
    const needed = [route.live, route.candidate?.version].filter((version) => version !== undefined);
    this.preparer.want(endpoint, { needed, previous: route.previous });
    this.serve(endpoint);
  }

  /** Puts what is ready of a route to work. */
  private serve(endpoint: string): void {
    const { live, candidate } = this.routes.get(endpoint) ?? {};
    const plan = this.planOf(endpoint);
    if (live === undefined || plan === undefined) return;
    const before = this.live.get(endpoint);
    if (!this.isLoaded(endpoint, plan, live)) {
      // The version before answers on; what was tried beside it was of a route that is over.
      if (before !== undefined) this.live.set(endpoint, { ...before, candidate: undefined });
      return;
    }
    const ready = candidate !== undefined && this.isReadyBeside(endpoint, live, candidate) ? candidate : undefined;
    this.live.set(endpoint, this.endpointOf(plan, live, ready));
    if (before === undefined || originOf(before.version) !== originOf(live) || before.version.version !== live.version)
      this.logger.info('version_live', { endpoint, version: live.version, onnxSha256: live.onnxSha256 });
  }

  private isReadyBeside(endpoint: string, live: ModelVersion, { version }: Candidate): boolean {
    if (version === undefined || !this.isLoaded(endpoint, this.planOf(endpoint)!, version)) return false;
    const [ours, theirs] = [this.signatures.get(originOf(live)), this.signatures.get(originOf(version))];
    const difference = ours && theirs && differenceOf(ours, theirs);
    if (difference !== undefined) return this.refuseCandidate(endpoint, version, difference);
    if (version.featureServiceDigest === live.featureServiceDigest) return true;
    return this.refuseCandidate(
      endpoint,
      version,
      `trained on feature service ${version.featureServiceDigest.slice(0, 12)}, the live version on ${live.featureServiceDigest.slice(0, 12)}`,
    );
  }

  private refuseCandidate(endpoint: string, { version }: ModelVersion, problem: string): false {
    this.logger.warn('candidate_not_comparable', { endpoint, version, problem });
    return false;
  }

  /** Of a tensor model that it is loaded is not enough: what it takes has to be known. */
  private isLoaded(endpoint: string, plan: EndpointPlan | TensorPlan, version: ModelVersion): boolean {
    if (!this.preparer.isPrepared(endpoint, version)) return false;
    return plan.task !== 'tensors' || this.signatures.has(originOf(version));
  }

  private async load(endpoint: string, version: ModelVersion): Promise<void> {
    if (this.planOf(endpoint)?.task !== 'tensors')
      return this.runner.prepare(version.onnxSha256, version.features.length);
    this.signatures.set(originOf(version), await this.tensors.prepare(version));
  }

  private endpointOf(plan: EndpointPlan | TensorPlan, live: ModelVersion, candidate?: Candidate): ServedEndpoint {
    if (plan.task !== 'tensors') return endpointOf(plan, live, candidate);
    return tensorEndpoint(plan, live, this.signatures.get(originOf(live))!, candidate);
  }

  /** Undefined while a definition that it needs is not known. */
  private planOf(endpoint: string): EndpointPlan | TensorPlan | undefined {
    if (!this.plans.has(endpoint)) this.plans.set(endpoint, this.compile(endpoint));
    return this.plans.get(endpoint);
  }

  private compile(name: string): EndpointPlan | TensorPlan | undefined {
    const endpoint = this.spec('Endpoint', name);
    const model = endpoint && this.spec('Model', endpoint.model);
    if (endpoint && model && !isTabular(model)) return tensorPlan(endpoint);
    const service = model && isTabular(model) ? this.spec('FeatureService', model.features) : undefined;
    const spine = service && this.spec('Stream', service.spine);
    if (!endpoint || !model || !isTabular(model) || !service || !spine) return undefined;
    return compileEndpoint({ endpoint, model, service, views: this.views(), spine });
  }

  private views(): FeatureViewSpec[] {
    const views = [...this.definitions].filter(([key]) => key.startsWith('FeatureView/'));
    return views.map(([, spec]) => spec as FeatureViewSpec);
  }

  private spec<K extends Kind>(kind: K, name: string): Specs[K] | undefined {
    return this.definitions.get(`${kind}/${name}`) as Specs[K] | undefined;
  }
}

function named(endpoint: ServedEndpoint, version: string): ServedEndpoint | undefined {
  return endpoint.signature === undefined ? namedVersion(endpoint, version) : namedTensorVersion(endpoint, version);
}
