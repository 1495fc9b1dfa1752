import type { Approval } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type { ApprovalContent } from '#libs/definitions/approval-content.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { MeshClient, patiently, sleep } from './mesh-client.js';
import type { Narrator } from './narrator.js';

const lookMs = 250;

/** Somebody of model-risk, with a token of their own: looks at what waits, and agrees to each version with its numbers, good or bad. The story's other person could not. */
export class SecondPerson {
  private readonly client: MeshClient;
  private stopped = false;
  private readonly looking: Promise<void>;

  constructor(
    mesh: MeshClient['mesh'],
    private readonly narrator: Narrator,
  ) {
    const token = mesh.callers?.['risk'];
    if (token === undefined) throw new Error('mesh.json has no caller risk: start the mesh again');
    this.client = new MeshClient({ ...mesh, token });
    this.looking = this.look();
    this.looking.catch(() => undefined); // stop() throws it
  }

  /** @throws what kept this person from voting */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.looking.finally(() => this.client.close());
  }

  private async look(): Promise<void> {
    for (; !this.stopped; await sleep(lookMs)) {
      const list = () => this.client.governance.call((stub) => stub.listApprovals, { waitingOnly: true }, 10_000);
      // A policy gives the right to look, from the moment it is applied.
      for (const approval of (await patiently(list, 600_000, ['permission-denied'])).approvals)
        await this.approve(approval);
    }
  }

  /** A vote whose answer was lost is there when it is cast again. */
  private async approve({ digest, contentJson }: Approval): Promise<void> {
    const { version } = JSON.parse(contentJson.toString()) as ApprovalContent;
    const auc = version.metrics['validate.auc'];
    const comment = `validate.auc ${auc === undefined ? 'not measured' : auc.toFixed(4)}, run ${version.runId}`;
    const request = { digest, approve: true, comment };
    try {
      await patiently(() => this.client.governance.call((stub) => stub.decideApproval, request, 10_000));
    } catch (error) {
      const decided = error instanceof MillraceError && ['failed-precondition', 'already-exists'].includes(error.code);
      if (!decided) throw error;
    }
    this.narrator.line(`a second person approves version ${version.number} (${digest.slice(0, 12)}): ${comment}`);
  }
}
