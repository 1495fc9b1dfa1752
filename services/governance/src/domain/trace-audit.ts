import type {
  ApprovalVote,
  AuditEvent,
  TraceItem,
} from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type { ModelVersion, Rollout, RolloutMove } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { eventIn } from './audit-leaf.js';
import { type Facts, notProved, traceItem } from './trace-facts.js';
import type { AuditPart, ProvedEntry } from './trace-sources.js';

interface Said {
  readonly entry: ProvedEntry;
  readonly event: AuditEvent;
}

/** What the audit log says of a chain. Each entry bears out one thing: of two equal moves, each needs its own. */
export class AuditWitness {
  private readonly said: Said[];
  private readonly used = new Set<number>();

  constructor(private readonly audit: AuditPart) {
    this.said = audit.entries.toReversed().flatMap((entry) => {
      const event = eventOf(entry);
      return event === undefined ? [] : [{ entry, event }];
    });
  }

  /** A version's digests, run and commit, as they were when it was registered. */
  ofVersion(version: ModelVersion): Facts {
    const { model, onnxSha256, datasetSha256, runId, codeCommit, featureServiceDigest } = version;
    const expected = { onnxSha256, datasetSha256, runId, codeCommit, featureServiceDigest };
    const resource = `models/${model}@${version.version}`;
    const found = this.said.find(({ event }) => event.resource === resource && event.method === 'CreateModelVersion');
    if (found === undefined) return this.missing('its registration');
    const wrong = Object.entries(expected).filter(([name, value]) => (found.event.details[name] ?? '') !== value);
    if (wrong.length === 0) return borneOut(found.entry);
    const differences = wrong.map(
      ([name, value]) => `${name} was ${found.event.details[name] || 'none'}, now ${value}`,
    );
    return { [notProved]: `entry ${found.entry.index} says otherwise: ${differences.join('; ')}` };
  }

  ofMove({ rolloutId, candidate }: Rollout, { from, to, step, cause, movedBy }: RolloutMove): Facts {
    const details = { from, to, step: String(step), cause, version: candidate?.version ?? '' };
    return this.find(`rollouts/${rolloutId}`, movedBy, details, `this move`);
  }

  ofVote(digest: string, { voter, approve, comment }: ApprovalVote): Facts {
    const details = { vote: approve ? 'approve' : 'reject', comment };
    return this.find(`approvals/${digest}`, voter, details, 'this vote');
  }

  private find(resource: string, actor: string, details: Record<string, string>, what: string): Facts {
    const found = this.said.find(
      ({ entry, event }) =>
        !this.used.has(entry.index) &&
        event.resource === resource &&
        event.actor === actor &&
        event.decision === 'allow' &&
        Object.entries(details).every(([name, value]) => (event.details[name] ?? '') === value),
    );
    if (found === undefined) return this.missing(what);
    this.used.add(found.entry.index);
    return borneOut(found.entry);
  }

  private missing(what: string): Facts {
    const where = this.audit.more ? `the newest ${this.audit.entries.length} entries of this chain` : 'the audit log';
    return { [notProved]: `${where} does not have ${what}` };
  }
}

/** The entries oldest first, each with whether it is under the signed head; before them the state of the log itself. */
export function auditItems(audit: AuditPart): TraceItem[] {
  return [logItem(audit), ...audit.entries.toReversed().map((entry) => entryItem(entry, audit.signedSize))];
}

function logItem({ count, signedSize, headProblem, more, entries }: AuditPart): TraceItem {
  const missing = signedSize - count;
  const problem =
    headProblem ??
    (missing === 0
      ? undefined
      : missing > 0
        ? `${missing} of ${signedSize} entries were removed`
        : `${-missing} entries are under no signed head`);
  return traceItem('audit', 'log', 0, {
    entries: String(count),
    head: `size ${signedSize}, signed`,
    older: more ? `of this chain only the newest ${entries.length} entries are shown` : '',
    ...(problem === undefined
      ? { proved: 'every number up to the head has its entry; `audit verify` recomputes them all' }
      : { [notProved]: problem }),
  });
}

function entryItem(entry: ProvedEntry, size: number): TraceItem {
  const event = eventOf(entry);
  const proof =
    entry.problem === undefined ? { proved: `under the signed head of size ${size}` } : { [notProved]: entry.problem };
  if (event === undefined)
    return traceItem('audit', String(entry.index), 0, { [notProved]: entry.problem ?? 'its bytes are no audit event' });
  const { atMs, service, actor, action, resource, method, decision, details } = event;
  const facts = { ...proof, resource, action, method, actor, service, decision: decision === 'allow' ? '' : decision };
  return traceItem('audit', String(entry.index), atMs, { ...facts, ...details });
}

function borneOut({ index, problem }: ProvedEntry): Facts {
  return problem === undefined ? { proved: `by audit entry ${index}` } : { [notProved]: `entry ${index}: ${problem}` };
}

function eventOf({ leaf }: ProvedEntry): AuditEvent | undefined {
  try {
    return eventIn(leaf);
  } catch {
    return undefined; // its item says that these bytes are no event
  }
}
