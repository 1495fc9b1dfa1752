import { AuditEvent } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { canonicalJson } from '#libs/definitions/canonical-json.js';

/** An event as the bytes that are hashed: RFC 8785 JSON, every field present. Whole numbers and text have one form only in it. */
export function leafOf(event: AuditEvent): Buffer {
  return Buffer.from(canonicalJson(AuditEvent.fromPartial(event)));
}

/** The event in a leaf. Throws SyntaxError where the bytes are no JSON: an entry that was edited. */
export function eventIn(leaf: Buffer): AuditEvent {
  return AuditEvent.fromPartial(JSON.parse(leaf.toString()) as AuditEvent);
}

/** An event that came without what it has to have is kept too, as what it is: it may be all that tells of something. */
export function unreadableEvent(partition: number, offset: number, atMs: number, error: string): AuditEvent {
  return AuditEvent.fromPartial({
    eventId: `unreadable/${partition}/${offset}`,
    atMs,
    service: 'governance',
    action: 'unreadable',
    resource: `audit/${partition}/${offset}`,
    reason: error,
  });
}
