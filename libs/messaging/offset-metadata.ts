/** What is kept in the group's offset metadata: the intended chunk, if one is pending, and what the handler carries. `a-b|carried`. */
export interface OffsetMetadata {
  readonly pending: { readonly first: number; readonly last: number } | undefined;
  readonly carried: string;
}

/** Kafka's limit is offset.metadata.max.bytes = 4096. */
const maxCarried = 3_000;

export function encodeOffsetMetadata(metadata: OffsetMetadata): string {
  if (metadata.carried.length > maxCarried)
    throw new Error(`carried state has ${metadata.carried.length} characters, at most ${maxCarried} fit`);
  const { pending } = metadata;
  return `${pending ? `${pending.first}-${pending.last}` : ''}|${metadata.carried}`;
}

/** Empty or null metadata is an empty state; anything else that is not ours is an error, for guessing would lose or double records. */
export function decodeOffsetMetadata(text: string | null | undefined): OffsetMetadata {
  if (!text) return { pending: undefined, carried: '' };
  const match = /^(?:(\d+)-(\d+))?\|(.*)$/s.exec(text);
  if (!match) throw new Error(`offset metadata is not ours: "${text.slice(0, 80)}"`);
  const pending = match[1] === undefined ? undefined : { first: Number(match[1]), last: Number(match[2]) };
  return { pending, carried: match[3] ?? '' };
}
