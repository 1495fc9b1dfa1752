import { DefinitionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import type { Kind, Specs } from '#libs/definitions/definition-kinds.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { Consumer, MessageLog } from './message-log.js';

/** A definition as it is now; spec undefined = it was deleted. */
export type FollowedDefinition = {
  [K in Kind]: { readonly kind: K; readonly name: string; readonly spec: Specs[K] | undefined };
}[Kind];

/** Definitions as a service keeps them: by `<Kind>/<name>`. */
export type Definitions = ReadonlyMap<string, Specs[Kind]>;

/**
 * Follows what is defined, through the compacted topic. Resolves when every definition that exists has been given to `onChange`; a record that cannot be read is logged and
 * passed over, so that one does not keep a service from all the others.
 */
export function followDefinitions(
  log: MessageLog,
  logger: Logger,
  onChange: (definition: FollowedDefinition) => void,
): Promise<Consumer> {
  return log.follow('definitionsChanged', (key, value) => {
    let definition: FollowedDefinition;
    try {
      definition = read(key, value);
    } catch (error) {
      logger.error('definition_not_read', { key, error: errorMessage(error) });
      return;
    }
    onChange(definition);
  });
}

function read(key: string, value: Buffer | null): FollowedDefinition {
  const [kind, name] = key.split('/') as [Kind, string];
  const found = value === null ? undefined : DefinitionChanged.decode(value).definition;
  const spec: unknown = found === undefined || found.deleted ? undefined : JSON.parse(found.specJson.toString());
  return { kind, name, spec } as FollowedDefinition;
}
