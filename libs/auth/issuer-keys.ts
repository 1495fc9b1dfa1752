import { type CryptoKey, createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { type JwtOptions, trustedUrl } from './jwt-settings.js';

const fetchMs = 5_000;
const maxBytes = 256 * 1024;
/** An issuer that did not answer is not asked again for so long. */
const backOffMs = 1_000;

type RemoteKeys = ReturnType<typeof createRemoteJWKSet>;

/**
 * The public keys of an issuer, by `kid`: fetched when they are needed, kept for 10 minutes; one that is not among them makes them be fetched again, but not twice within the cool-down.
 * A fetch takes at most 5 s and 256 KiB, and follows no redirect.
 */
export class IssuerKeys {
  private keys: Promise<RemoteKeys> | undefined;
  private failed: { readonly error: MillraceError; readonly untilMs: number } | undefined;

  constructor(
    private readonly options: Pick<JwtOptions, 'issuer' | 'jwksUrl'>,
    private readonly cooldownMs = 30_000,
  ) {}

  /** @throws JWKSNoMatchingKey, JWKSMultipleMatchingKeys; MillraceError unavailable when the issuer does not answer, or answers what is no key set */
  async find(...asked: Parameters<JWTVerifyGetKey>): Promise<CryptoKey> {
    if (this.failed !== undefined && Date.now() < this.failed.untilMs) throw this.failed.error;
    let keys: RemoteKeys | undefined;
    try {
      keys = await (this.keys ??= this.open());
      return await keys(...asked);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      const unavailable = new MillraceError(
        'unavailable',
        `authorization: the keys of ${this.options.issuer} cannot be had: ${reasonOf(error)}`,
        { cause: error },
      );
      if (keys?.fresh !== true) this.failed = { error: unavailable, untilMs: Date.now() + backOffMs };
      throw unavailable;
    }
  }

  private async open(): Promise<RemoteKeys> {
    try {
      const url = this.options.jwksUrl ?? (await discover(this.options.issuer));
      return createRemoteJWKSet(url, {
        timeoutDuration: fetchMs,
        cooldownDuration: this.cooldownMs,
        [customFetch]: boundedFetch,
      });
    } catch (error) {
      this.keys = undefined; // looked up again with the next JWT
      throw error;
    }
  }
}

/** OpenID Connect Discovery 1.0, section 4: the document has to be of the very issuer that was asked for. */
async function discover(issuer: string): Promise<URL> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await boundedFetch(url, { signal: AbortSignal.timeout(fetchMs), redirect: 'manual' });
  if (response.status !== 200) throw new Error(`${url} answers ${response.status}`);
  const found = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown } | null;
  if (found?.issuer !== issuer) throw new Error(`${url} is of issuer "${String(found?.issuer).slice(0, 200)}"`);
  return trustedUrl(`jwks_uri of ${url}`, String(found.jwks_uri));
}

/** The whole answer, at most 256 KiB of it, or a throw. */
async function boundedFetch(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > maxBytes) throw new Error(`${url} answers more than ${maxBytes} bytes`); // leaving the loop ends the transfer
    parts.push(part);
  }
  return new Response(Buffer.concat(parts), { status: response.status });
}

/** fetch says only `fetch failed`; its cause knows why. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return cause === undefined ? errorMessage(error) : `${errorMessage(error)} (${errorMessage(cause)})`;
}
