import type { HeaderList } from './hpack-decoder.js';

/** Those of HTTP/1.1 that say something of a connection (RFC 9113, section 8.2.2). */
const ofConnections: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);
const requestPseudo: ReadonlySet<string> = new Set([':method', ':scheme', ':path', ':authority']);
const answerPseudo: ReadonlySet<string> = new Set([':status']);
const none: ReadonlySet<string> = new Set();

/** What a list of headers is the beginning, or the end, of. */
export type HeadKind = 'request' | 'answer' | 'trailers';

/**
 * Whether headers are malformed (RFC 9113, section 8): names in capitals, pseudo-headers that are unknown, twice or behind others, headers of connections, a request without method, scheme or path.
 * @returns what is wrong, undefined = nothing
 */
export function faultOf(kind: HeadKind, headers: HeaderList): string | undefined {
  const allowed = kind === 'request' ? requestPseudo : kind === 'answer' ? answerPseudo : none;
  let pseudo = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (name.charCodeAt(0) === 58) {
      if (!allowed.has(name)) return `${name} is no header of a ${kind}`;
      if (pseudo * 2 !== i) return `${name} behind other headers`;
      for (let j = 0; j < i; j += 2) if (headers[j] === name) return `${name} twice`;
      if (headers[i + 1] === '' && name !== ':authority') return `${name} is empty`;
      pseudo += 1;
    } else {
      if (!isFieldName(name)) return 'a header with capitals, blanks or no name';
      if (ofConnections.has(name) || (name === 'te' && headers[i + 1] !== 'trailers')) return `${name} is of HTTP/1.1`;
    }
  }
  if (kind === 'request' && pseudo - (valueOf(headers, ':authority') === undefined ? 0 : 1) !== 3)
    return 'a request needs :method, :scheme and :path';
  return undefined;
}

/** The first of that name. */
export function valueOf(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/** @returns bytes, undefined = not told, NaN = no number */
export function contentLengthOf(headers: HeaderList): number | undefined {
  const text = valueOf(headers, 'content-length');
  if (text === undefined) return undefined;
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

function isFieldName(name: string): boolean {
  for (let i = 0; i < name.length; i += 1) {
    const code = name.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || code === 58 || (code >= 65 && code <= 90)) return false;
  }
  return name.length > 0;
}
