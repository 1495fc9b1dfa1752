import { errors, type JWTPayload, jwtVerify } from 'jose';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { unlimitedRoles } from './authorizer.js';
import type { Caller } from './caller.js';
import { IssuerKeys } from './issuer-keys.js';
import type { JwtOptions } from './jwt-settings.js';

/** Signatures only: with HS* whoever may verify may also sign, and a public key must not be taken for a shared secret. */
const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'];
/** RFC 9068, section 4, and what most issuers write. */
const types = ['at+jwt', 'application/at+jwt', 'jwt'];
export const toleranceSeconds = 60;
const maxCached = 10_000;
const maxCachedMs = 300_000;
const maxRoles = 50;
const role = /^[a-z][a-z0-9-]{0,62}$/;
const name = /^[^\p{Cc}]{1,200}$/u;

/** Callers by JWT (RFC 7519, RFC 9068): signed by a key of the one issuer, for this audience, within its time. */
export class JwtVerifier {
  /** By hash of the token, the one used longest ago first. */
  private readonly verified = new Map<string, { readonly caller: Caller; readonly untilMs: number }>();

  constructor(
    private readonly options: JwtOptions,
    private readonly keys: Pick<IssuerKeys, 'find'> = new IssuerKeys(options),
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * At once for a JWT that was verified in the last five minutes, else later.
   * @param digest of the token, its key in the cache
   * @throws MillraceError unauthenticated, which says what is wrong and repeats nothing of the token but its header and claims; unavailable when the issuer cannot be asked for its keys
   */
  caller(token: string, digest: string): Caller | Promise<Caller> {
    const known = this.verified.get(digest);
    if (known === undefined) return this.verify(token, digest);
    this.verified.delete(digest);
    if (known.untilMs <= this.now()) return this.verify(token, digest);
    this.verified.set(digest, known);
    return known.caller;
  }

  private async verify(token: string, digest: string): Promise<Caller> {
    const caller = await this.read(token).catch((error: unknown) => {
      throw this.refusal(error);
    });
    const untilMs = Math.min(caller.expiresMs! - toleranceSeconds * 1_000, this.now() + maxCachedMs);
    if (this.verified.size >= maxCached) this.verified.delete(this.verified.keys().next().value!);
    if (untilMs > this.now()) this.verified.set(digest, { caller, untilMs });
    return caller;
  }

  private async read(token: string): Promise<Caller> {
    const { issuer, audience } = this.options;
    const { payload, protectedHeader } = await jwtVerify(token, (...asked) => this.keys.find(...asked), {
      algorithms,
      issuer,
      audience,
      clockTolerance: toleranceSeconds,
      requiredClaims: ['exp'],
      currentDate: new Date(this.now()),
    });
    if (!types.includes(String(protectedHeader.typ).toLowerCase()))
      throw new MillraceError(
        'unauthenticated',
        `authorization: typ of the JWT is ${shown(protectedHeader.typ)}, and has to be at+jwt or JWT`,
      );
    return this.toCaller(payload);
  }

  private toCaller(payload: JWTPayload): Caller {
    const { nameClaim, rolesClaim } = this.options;
    const found = claimAt(payload, nameClaim);
    if (typeof found !== 'string' || !name.test(found))
      throw new MillraceError(
        'unauthenticated',
        `authorization: ${nameClaim} of the JWT is ${shown(found)}, and has to be text of 1 to 200 characters without control characters`,
      );
    const roles = this.rolesIn(claimAt(payload, rolesClaim));
    return { name: found, roles, expiresMs: (payload.exp! + toleranceSeconds) * 1_000 };
  }

  /** A list of text, or text with spaces between as in `scope`. What is no name of a role here is one of something else. */
  private rolesIn(claim: unknown): readonly string[] {
    const listed: unknown[] = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : [];
    const mayClaim = (one: unknown): one is string =>
      typeof one === 'string' && role.test(one) && (this.options.unlimitedRoles || !unlimitedRoles.includes(one));
    return [...new Set(listed.filter(mayClaim))].slice(0, maxRoles);
  }

  private refusal(error: unknown): unknown {
    if (!(error instanceof errors.JOSEError)) return error;
    return new MillraceError('unauthenticated', `authorization: ${this.reasonOf(error)}`, { cause: error });
  }

  private reasonOf(error: errors.JOSEError): string {
    const { issuer, audience } = this.options;
    if (error instanceof errors.JWTExpired) return `the JWT has expired (exp is ${shown(error.payload['exp'])})`;
    if (error instanceof errors.JWTClaimValidationFailed) {
      const { claim, payload } = error;
      const needed = new Map([
        ['iss', `, and has to be "${issuer}"`],
        ['aud', `, and has to hold "${audience}"`],
        ...(error.reason === 'check_failed' ? ([['nbf', ': it is not valid yet']] as const) : []),
      ]);
      return `${claim} of the JWT is ${shown(payload[claim])}${needed.get(claim) ?? ', and has to be a time in seconds'}`;
    }
    if (error instanceof errors.JOSEAlgNotAllowed)
      return `alg of the JWT is not one of ${algorithms.join(', ')}; others are not taken`;
    if (error instanceof errors.JWSSignatureVerificationFailed) return 'the signature of the JWT is not right';
    if (error instanceof errors.JWKSNoMatchingKey) return `kid of the JWT names no key of ${issuer} for its alg`;
    if (error instanceof errors.JWKSMultipleMatchingKeys) return `the JWT has no kid, and ${issuer} has several keys`;
    return 'this is not a well-formed JWT';
  }
}

/** The claim of this very name (it may have dots, as URLs do), else the one at the end of the path. */
function claimAt(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  let at: unknown = payload;
  for (const part of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string, unknown>)[part];
  }
  return at;
}

function shown(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 200);
}
