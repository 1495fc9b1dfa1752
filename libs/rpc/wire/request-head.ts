import type { HeaderList } from '#libs/http2/hpack-decoder.js';

/** What of its headers a call is served by. */
export interface RequestHead {
  readonly path: string;
  /** Whether content-type is application/grpc, or one of its kinds. */
  readonly isGrpc: boolean;
  /** Epoch ms, Infinity = none, NaN = grpc-timeout is not readable. */
  readonly deadlineMs: number;
  /** Of compressed messages. */
  readonly encoding: string;
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** @param headers of which :path is one @param nowMs epoch */
export function readHead(headers: HeaderList, nowMs: () => number): RequestHead {
  let [path, isGrpc, deadlineMs, encoding] = ['', false, Number.POSITIVE_INFINITY, 'identity'];
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1]!;
    switch (headers[i]) {
      case ':path':
        path = value;
        break;
      case 'content-type':
        isGrpc = /^application\/grpc(?:$|[+; ])/i.test(value);
        break;
      case 'grpc-timeout':
        deadlineMs = nowMs() + timeoutMs(value);
        break;
      case 'grpc-encoding':
        encoding = value;
        break;
    }
  }
  return { path, isGrpc, deadlineMs, encoding };
}

/** At most 8 digits and a unit (gRPC over HTTP/2). @returns ms, NaN = it is not readable */
export function timeoutMs(text: string): number {
  const digits = text.length - 1;
  const unit = unitMs[text.charAt(digits)];
  if (unit === undefined || digits < 1 || digits > 8) return Number.NaN;
  for (let i = 0; i < digits; i += 1) if (text.charCodeAt(i) < 48 || text.charCodeAt(i) > 57) return Number.NaN;
  return Number(text.slice(0, digits)) * unit;
}
