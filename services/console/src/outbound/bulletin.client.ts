import type { AlertView, RolloutView } from '../../views/mesh.view.js';
import { Bulletin } from '../domain/ports.js';
import type { Mesh } from './mesh-peers.client.js';

const underWay = new Set(['pending', 'shadow', 'canary', 'paused']);
const [maxAlerts, maxRollouts, deadlineMs] = [50, 50, 2_000];

/** Firing alerts from the monitor, and rollouts that have not ended from the registry. */
export class MeshBulletin extends Bulletin {
  constructor(private readonly mesh: Mesh) {
    super();
  }

  async firing(): Promise<readonly AlertView[]> {
    const request = { endpoint: '', firingOnly: true, limit: maxAlerts };
    const { alerts } = await this.mesh.ask('monitor', (stub) => stub.listAlerts, request, deadlineMs);
    return alerts.map(({ fingerprint, monitor, endpoint, modelVersion, breach, summary, startsMs }) => ({
      fingerprint,
      monitor,
      endpoint,
      modelVersion,
      breach,
      summary,
      startsMs,
    }));
  }

  async rollouts(): Promise<readonly RolloutView[]> {
    const request = { endpoint: '', limit: maxRollouts };
    const { rollouts } = await this.mesh.ask('registry', (stub) => stub.listRollouts, request, deadlineMs);
    return rollouts
      .filter(({ state }) => underWay.has(state))
      .map(({ rolloutId, endpoint, candidate, state, step, steps, startedMs }) => ({
        rolloutId,
        endpoint,
        version: candidate?.version ?? '',
        state,
        step,
        steps: steps.length,
        startedMs,
      }));
  }
}
