import { randomUUID } from 'node:crypto';
import { AuditEvent } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type { ModelVersion, Rollout, Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { AccessAction } from '#libs/definitions/definition-kinds.js';
import { servedFrom } from './upstream.js';
import type { PlannedChange } from './plan-changes.js';

/** What was done, for the audit log: names, versions and digests, never data. It is written in the transaction of what it tells of. */
function done(
  actor: string,
  action: AccessAction,
  resource: string,
  method: string,
  details: Record<string, string>,
): AuditEvent {
  const event = { eventId: randomUUID(), atMs: Date.now(), service: 'registry', actor, action, resource, method };
  return AuditEvent.fromPartial({ ...event, decision: 'allow', outcome: 'ok', details });
}

export function definitionDone(caller: string, { kind, name, action, generation, digest }: PlannedChange): AuditEvent {
  const plural = kind === 'Policy' ? 'policies' : `${kind.toLowerCase()}s`;
  const details = { change: action, generation: String(generation), digest };
  return done(caller, 'apply', `${plural}/${name}`, action === 'delete' ? 'DeleteDefinition' : 'Apply', details);
}

export function versionDone(caller: string, version: ModelVersion): AuditEvent {
  const { model, onnxSha256, datasetSha256, runId, codeCommit, featureServiceDigest } = version;
  const upstream = version.upstream === undefined ? {} : { upstream: servedFrom(version) };
  const details = { onnxSha256, datasetSha256, runId, codeCommit, featureServiceDigest, ...upstream };
  return done(caller, 'train', `models/${model}@${version.version}`, 'CreateModelVersion', details);
}

export function aliasDone(caller: string, model: string, version: string, alias: string): AuditEvent {
  return done(caller, 'apply', `models/${model}@${version}`, 'SetAlias', { alias });
}

export function liveDone(caller: string, { endpoint, model, live, previous, cause }: Route): AuditEvent {
  const details = { model, version: live?.version ?? '', previous: previous?.version ?? '', cause };
  return done(caller, 'promote', `endpoints/${endpoint}`, 'SetLive', details);
}

/** The newest move of a rollout, whoever made it. */
export function moveDone({ rolloutId, endpoint, model, candidate, moves, approvalDigest }: Rollout): AuditEvent {
  const { from, to, step, cause, movedBy } = moves.at(-1)!;
  const details = { endpoint, model, version: candidate?.version ?? '', from, to, step: String(step), cause };
  const approval: Record<string, string> = approvalDigest === '' ? {} : { approvalDigest };
  return done(movedBy, 'promote', `rollouts/${rolloutId}`, 'rollout', { ...details, ...approval });
}
