import type { IncomingHttpHeaders } from 'node:http';
import { CloudEvent, type CloudEventV1, HTTP } from 'cloudevents';
import type { Event } from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { rfc3339 } from '../domain/source-rows.js';

const structured = 'application/cloudevents+json';
const batch = 'application/cloudevents-batch+json';
const json = /^application\/([a-z0-9.-]+\+)?json$/;

/** An event, or why this one is none. */
export type Read = Event | MillraceError;

/**
 * The events of a request in binary, structured or batch mode of the CloudEvents 1.0 HTTP binding. In binary mode the body is the data, byte by byte.
 * @throws MillraceError unsupported-media-type, or invalid-argument where the body as a whole cannot be read
 */
export function readCloudEvents(headers: IncomingHttpHeaders, body: Buffer): Read[] {
  const mediaType = (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (mediaType === batch) {
    const elements = parse(body);
    if (!Array.isArray(elements)) throw new MillraceError('invalid-argument', 'body: a batch is a JSON array');
    return elements.map((element) => readOne(() => fromObject(element)));
  }
  if (mediaType === structured) return [readOne(() => fromObject(parse(body)))];
  if (json.test(mediaType)) return [readOne(() => fromHeaders(headers, body))];
  throw new MillraceError(
    'unsupported-media-type',
    `content-type: "${mediaType}"; send application/json with ce-* headers, ${structured} or ${batch}`,
  );
}

function readOne(read: () => Event): Read {
  try {
    return read();
  } catch (error) {
    if (error instanceof MillraceError) return error;
    return new MillraceError('invalid-argument', `not a CloudEvent: ${reasonOf(error)}`, { cause: error });
  }
}

function fromHeaders(headers: IncomingHttpHeaders, data: Buffer): Event {
  if (headers['ce-id'] === undefined) throw new MillraceError('invalid-argument', 'ce-id: missing');
  checkVersion('ce-specversion', headers['ce-specversion']);
  // Without its body, which need not be read here.
  const event = HTTP.toEvent({ headers, body: undefined }) as CloudEvent<unknown>;
  event.validate();
  return toEvent(event, headers['ce-time'], data);
}

function fromObject(element: unknown): Event {
  if (typeof element !== 'object' || element === null || Array.isArray(element))
    throw new MillraceError('invalid-argument', 'not a CloudEvent: one JSON object is right');
  const given = element as Partial<CloudEventV1<unknown>>;
  // The SDK would invent an id and a time.
  if (typeof given.id !== 'string') throw new MillraceError('invalid-argument', 'id: missing');
  checkVersion('specversion', given.specversion);
  const event = new CloudEvent<unknown>(given);
  const base64 = given.data_base64;
  const data =
    base64 === undefined ? Buffer.from(JSON.stringify(given.data ?? null)) : Buffer.from(String(base64), 'base64');
  return toEvent(event, given.time, data);
}

/** The SDK lets other versions pass unchecked. */
function checkVersion(name: string, version: unknown): void {
  if (version !== '1.0')
    throw new MillraceError('invalid-argument', `${name}: ${JSON.stringify(version) ?? 'missing'}; "1.0" is right`);
}

/** An attribute of the distributed tracing extension, however long: it is read as far as one may be, or ignored. */
function traceText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** @param time as given: the SDK writes now for one that it cannot read */
function toEvent(event: CloudEventV1<unknown>, time: unknown, data: Buffer): Event {
  const { id, source, type } = event;
  if (time !== undefined && (typeof time !== 'string' || !rfc3339.test(time) || Number.isNaN(Date.parse(time))))
    throw new MillraceError(
      'invalid-argument',
      `time: ${JSON.stringify(time)}; RFC 3339 is right, 2001-06-10T08:15:00Z`,
    );
  return {
    id,
    source,
    type,
    timeMs: time === undefined ? 0 : Date.parse(time),
    data,
    traceparent: traceText(event['traceparent']),
    tracestate: traceText(event['tracestate']),
  };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    throw new MillraceError('invalid-argument', `body: ${errorMessage(error)}`, { cause: error });
  }
}

/** The SDK's message is general; its list names the attribute. */
function reasonOf(error: unknown): string {
  const errors = (error as { errors?: unknown }).errors;
  if (!Array.isArray(errors)) return errorMessage(error);
  return errors
    .map((one: { instancePath?: string; message?: string } | string) =>
      typeof one === 'string' ? one : `${(one.instancePath ?? '').slice(1)} ${one.message ?? ''}`.trim(),
    )
    .join('; ');
}
