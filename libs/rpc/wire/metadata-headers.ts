import { Metadata } from '@grpc/grpc-js';
import type { HeaderList } from '#libs/http2/hpack-decoder.js';

/** What is of the transport is not of the application. */
const ofTransport: ReadonlySet<string> = new Set([
  'grpc-timeout',
  'grpc-encoding',
  'grpc-accept-encoding',
  'accept-encoding',
  'te',
  'content-type',
]);

/** What a handler sees of the headers. One that is no metadata (RFC: printable ASCII, or base64 in `-bin`) is left out. */
export function metadataOf(headers: HeaderList): Metadata {
  const metadata = new Metadata();
  for (let i = 0; i < headers.length; i += 2) {
    const [name, value] = [headers[i]!, headers[i + 1]!];
    if (ofTransport.has(name) || !/^[0-9a-z_.-]+$/.test(name)) continue;
    if (name.endsWith('-bin')) for (const one of value.split(',')) metadata.add(name, Buffer.from(one, 'base64'));
    else if (/^[ -~]*$/.test(value)) metadata.add(name, value);
  }
  return metadata;
}

/** Metadata as headers, name by value: the bytes of `-bin` in base64. */
export function pairsOf(metadata: Metadata): string[] {
  return Object.entries(metadata.toHttp2Headers()).flatMap(([name, values]) =>
    [values ?? []].flat().flatMap((value) => [name, String(value)]),
  );
}
