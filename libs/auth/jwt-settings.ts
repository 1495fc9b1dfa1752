import { isLoopbackHost } from './loopback.js';

/** The settings of services, as the environment has them: JWT_ISSUER '' = callers by JWT are off. */
export interface JwtEnvironment {
  readonly JWT_ISSUER: string;
  readonly JWT_AUDIENCE: string;
  readonly JWT_JWKS_URL: string;
  readonly JWT_ROLES_CLAIM: string;
  readonly JWT_NAME_CLAIM: string;
  readonly JWT_UNLIMITED_ROLES: boolean;
}

/** Whose JWTs are believed, for whom they have to be made, and where they say who somebody is. */
export interface JwtOptions {
  /** `iss`, compared as text. */
  readonly issuer: string;
  /** One of `aud`. */
  readonly audience: string;
  /** Where the issuer's public keys are; undefined = what its /.well-known/openid-configuration says, asked for when the first JWT comes. */
  readonly jwksUrl: URL | undefined;
  /** A claim, or a path of claims with dots between, e.g. realm_access.roles. */
  readonly rolesClaim: string;
  readonly nameClaim: string;
  /** A JWT may make its bearer `admin` or `service`. */
  readonly unlimitedRoles: boolean;
}

/**
 * @returns undefined = off
 * @throws Error naming the setting that is missing, or is a URL that cannot be trusted
 */
export function readJwtOptions(env: JwtEnvironment): JwtOptions | undefined {
  if (env.JWT_ISSUER === '') {
    if (env.JWT_AUDIENCE !== '' || env.JWT_JWKS_URL !== '')
      throw new Error('JWT_ISSUER: is not set, and JWT_AUDIENCE or JWT_JWKS_URL is; set it, or none of them');
    return undefined;
  }
  trustedUrl('JWT_ISSUER', env.JWT_ISSUER);
  if (env.JWT_AUDIENCE === '')
    throw new Error('JWT_AUDIENCE: is not set; set what `aud` of a JWT for this mesh holds, for others are not taken');
  return {
    issuer: env.JWT_ISSUER,
    audience: env.JWT_AUDIENCE,
    jwksUrl: env.JWT_JWKS_URL === '' ? undefined : trustedUrl('JWT_JWKS_URL', env.JWT_JWKS_URL),
    rolesClaim: env.JWT_ROLES_CLAIM,
    nameClaim: env.JWT_NAME_CLAIM,
    unlimitedRoles: env.JWT_UNLIMITED_ROLES,
  };
}

/** Keys that come in plaintext over a network are anybody's. @throws Error naming the setting */
export function trustedUrl(name: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname))) return url;
  throw new Error(`${name}: "${text}" has to be an https:// URL (http:// on loopback only)`);
}
