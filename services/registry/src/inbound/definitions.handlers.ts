import { DefinitionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import {
  type ApplyRequest,
  ApplyResponse,
  type Definition,
  type DeleteDefinitionRequest,
  type ListDefinitionsRequest,
  type ListDefinitionsResponse,
  Route,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { checkDefinitions } from '#libs/definitions/check-definitions.js';
import { type EndpointSpec, type Kind, kinds } from '#libs/definitions/definition-kinds.js';
import { referencesOf } from '#libs/definitions/references.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { definitionDone } from '../domain/done.js';
import { type PlannedChange, planChanges, type StoredDefinition } from '../domain/plan-changes.js';
import { moveRollout } from '../domain/rollout-machine.js';
import type { RegistryDatabase, RegistryTransaction } from '../outbound/registry-database.js';
import type { RegistryMetrics } from '../registry.metrics.js';

/** Definitions: checked together, applied all or nothing. */
export class DefinitionsHandlers {
  constructor(
    private readonly database: RegistryDatabase,
    private readonly metrics: RegistryMetrics,
    private readonly onChange: () => void,
  ) {}

  async apply({ documents, dryRun }: ApplyRequest, { caller }: CallContext): Promise<ApplyResponse> {
    const response = await this.database.change(async (transaction) => {
      const stored = await transaction.definitions();
      const existing = new Map([...stored].filter(([, { deleted }]) => !deleted).map(([key, { spec }]) => [key, spec]));
      const { problems, definitions } = checkDefinitions(documents, existing);
      if (problems.length > 0) return ApplyResponse.fromPartial({ problems });
      const changes = planChanges(definitions, stored);
      if (!dryRun)
        for (const change of changes)
          if (change.action !== 'unchanged') await this.write(transaction, change, caller.name);
      return ApplyResponse.fromPartial({ changes: changes.map(toChange), applied: !dryRun });
    });
    if (response.applied) this.changed(response);
    return response;
  }

  async list({ kind, name }: ListDefinitionsRequest): Promise<ListDefinitionsResponse> {
    const stored = await this.database.read((transaction) => transaction.definitions());
    const wanted = [...stored.values()].filter(
      (one) => !one.deleted && (kind === '' || one.kind === kind) && (name === '' || one.name === name),
    );
    wanted.sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || a.name.localeCompare(b.name));
    return {
      definitions: wanted.map((one) =>
        toDefinition(one.kind, one.name, one.generation, one.digest, JSON.stringify(one.spec), false, one.changedMs),
      ),
    };
  }

  async delete({ kind, name, dryRun }: DeleteDefinitionRequest, { caller }: CallContext): Promise<ApplyResponse> {
    const response = await this.database.change(async (transaction) => {
      const stored = await transaction.definitions();
      const found = stored.get(`${kind}/${name}`);
      if (found === undefined || found.deleted) throw new MillraceError('not-found', `there is no ${kind} ${name}`);
      refuseIfUsed(found, stored);
      const change: PlannedChange = {
        ...found,
        action: 'delete',
        paths: [],
        generation: found.generation + 1,
        specText: JSON.stringify(found.spec),
      };
      if (!dryRun) await this.write(transaction, change, caller.name);
      return ApplyResponse.fromPartial({ changes: [toChange(change)], applied: !dryRun });
    });
    if (response.applied) this.changed(response);
    return response;
  }

  private async write(transaction: RegistryTransaction, change: PlannedChange, caller: string): Promise<void> {
    const { kind, name, generation, digest, specText, action } = change;
    await transaction.writeDefinition(change, caller);
    await transaction.audit(definitionDone(caller, change));
    const definition = toDefinition(kind, name, generation, digest, specText, action === 'delete', Date.now());
    await transaction.publish(
      'definitionsChanged',
      `${kind}/${name}`,
      DefinitionChanged.encode({ definition }).finish(),
    );
    if (kind === 'Endpoint') await followEndpoint(transaction, change, caller);
  }

  private changed({ changes }: ApplyResponse): void {
    for (const { kind, action } of changes) this.metrics.changes.inc({ kind, action });
    this.onChange();
  }
}

/** An endpoint has a route from its first day, without a version; a deleted one has a route that says so. A rollout ends with the model that it is of. */
async function followEndpoint(
  transaction: RegistryTransaction,
  { name, action, specText }: PlannedChange,
  caller: string,
): Promise<void> {
  const before = await transaction.route(name);
  const { model } = JSON.parse(specText) as EndpointSpec;
  const deleted = action === 'delete';
  if (before !== undefined && before.model === model && before.deleted === deleted) return;
  const rollout = await transaction.rolloutUnderWay(name);
  const cause = deleted ? `endpoint ${name} was deleted` : `endpoint ${name} has model ${model} now`;
  if (rollout !== undefined)
    await transaction.writeRollout(moveRollout(rollout, 'abort', { by: caller, cause, atMs: Date.now() }));
  await transaction.writeRoute(
    Route.fromPartial({
      endpoint: name,
      generation: (before?.generation ?? 0) + 1,
      model,
      cause: `definition: ${action}`,
      changedMs: Date.now(),
      deleted,
    }),
  );
}

function refuseIfUsed(found: StoredDefinition, stored: ReadonlyMap<string, StoredDefinition>): void {
  const users = [...stored.values()].filter(
    (one) =>
      !one.deleted &&
      referencesOf(one.kind, one.spec).some(
        (reference) => reference.kind === found.kind && reference.name === found.name,
      ),
  );
  if (users.length > 0)
    throw new MillraceError(
      'failed-precondition',
      `${found.kind} ${found.name} is used by ${users.map(({ kind, name }) => `${kind} ${name}`).join(', ')}; delete what uses it first`,
    );
}

function toDefinition(
  kind: Kind,
  name: string,
  generation: number,
  digest: string,
  specText: string,
  deleted: boolean,
  changedMs: number,
): Definition {
  return { kind, name, generation, digest, specJson: Buffer.from(specText), deleted, changedMs };
}

function toChange({ kind, name, action, paths, generation }: PlannedChange) {
  return { kind, name, action, paths: [...paths], generation };
}
