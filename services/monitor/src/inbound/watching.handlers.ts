import type {
  GetDriftRequest,
  GetDriftResponse,
  ListAlertsRequest,
  ListAlertsResponse,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { MonitorSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { FiguresReader } from '../outbound/figures.reader.js';
import type { EndpointNow, WatchingStore } from '../outbound/watching.store.js';

const dayMs = 86_400_000;
const usualAlerts = 50;
const mostAlerts = 1_000;

/** The calls that ask what watching found. */
export class WatchingHandlers {
  constructor(
    private readonly store: WatchingStore,
    private readonly figures: FiguresReader,
    private readonly watched: { readonly monitors: ReadonlyMap<string, MonitorSpec> },
  ) {}

  /** By the statistic, window and threshold of the endpoint's Monitor, else by PSI over the last day. @throws MillraceError invalid-argument, not-found, failed-precondition */
  async drift({ endpoint, modelVersion, fromMs, toMs }: GetDriftRequest): Promise<GetDriftResponse> {
    if (endpoint === '') throw new MillraceError('invalid-argument', 'endpoint: empty');
    const now = await this.now(endpoint, modelVersion);
    const spec = [...this.watched.monitors.values()].find((one) => one.endpoint === endpoint && one.drift)?.drift;
    const to = toMs || now.newestMs + 1;
    const window = { endpoint, version: now.version, from: fromMs || to - (spec?.windowMs ?? dayMs), to };
    if (window.from >= to)
      throw new MillraceError('invalid-argument', `from_ms ${window.from} is not before to_ms ${to}`);
    const statistic = spec?.statistic ?? 'psi';
    const found = await this.figures.drift(now, window, statistic, spec?.threshold ?? 'auto');
    if (found.features.length === 0)
      throw new MillraceError(
        'failed-precondition',
        `version ${now.version} of ${now.model} has no reference yet: it is made from the training set, once that is in the artifact store`,
      );
    return { ...found, modelVersion: now.version, statistic };
  }

  async alerts({ endpoint, firingOnly, limit }: ListAlertsRequest): Promise<ListAlertsResponse> {
    if (limit > mostAlerts) throw new MillraceError('invalid-argument', `limit: ${limit} is more than ${mostAlerts}`);
    return { alerts: await this.store.alerts(endpoint, firingOnly, limit || usualAlerts) };
  }

  private async now(endpoint: string, version: string): Promise<EndpointNow> {
    const now =
      version === '' ? await this.store.endpointNow(endpoint) : await this.store.versionNow(endpoint, version);
    if (now !== undefined) return now;
    const which = version === '' ? '' : ` by version ${version}`;
    throw new MillraceError('not-found', `endpoint "${endpoint}" has no predictions${which} yet`);
  }
}
