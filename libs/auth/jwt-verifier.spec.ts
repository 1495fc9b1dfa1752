import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { audience, JwtIssuer } from '#libs/testing/jwt-issuer.js';
import type { Caller } from './caller.js';
import { IssuerKeys } from './issuer-keys.js';
import { type JwtEnvironment, type JwtOptions, readJwtOptions } from './jwt-settings.js';
import { JwtVerifier } from './jwt-verifier.js';
import { TokenAuthenticator } from './token-authenticator.js';

const apiToken = 'an-api-token-of-a-service';
let issuer: JwtIssuer;
let nowMs: number;

beforeAll(async () => {
  issuer = await JwtIssuer.start();
});
beforeEach(() => {
  nowMs = Date.now();
});
afterAll(() => issuer.stop());

function authenticator(over: Partial<JwtOptions> = {}, cooldownMs = 30_000) {
  const options: JwtOptions = {
    issuer: issuer.url,
    audience,
    jwksUrl: new URL(`${issuer.url}/keys`),
    rolesClaim: 'roles',
    nameClaim: 'sub',
    unlimitedRoles: false,
    ...over,
  };
  const verifier = new JwtVerifier(options, new IssuerKeys(options, cooldownMs), () => nowMs);
  const tokens = new TokenAuthenticator(`mesh=${apiToken}`, 'mesh=service', verifier);
  return (token: string): Caller | Promise<Caller> => tokens.authenticate(`Bearer ${token}`);
}

const seconds = (): number => Math.floor(nowMs / 1_000);
const ada = { sub: 'ada', roles: ['analyst'] };
/** The message with which it is refused. */
const refused = async (token: string, over: Partial<JwtOptions> = {}): Promise<string> => {
  const error = await (async () => authenticator(over)(token))().then(
    (caller) => new Error(`${caller.name} was let in`),
    (refusal: unknown) => refusal,
  );
  expect(error).toMatchObject({ code: 'unauthenticated' });
  for (const part of token.split('.')) if (part !== '') expect((error as Error).message).not.toContain(part);
  return (error as Error).message;
};

describe('a JWT of the issuer, for this audience, within its time', () => {
  it.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('names its bearer, signed by %s', async (alg) => {
    await issuer.addKey(`of-${alg}`, alg);
    const exp = seconds() + 600;
    for (const typ of ['at+jwt', 'JWT', 'application/at+jwt'])
      expect(await authenticator()(await issuer.sign({ ...ada, exp }, { typ }, `of-${alg}`))).toEqual({
        name: 'ada',
        roles: ['analyst'],
        expiresMs: (exp + 60) * 1_000,
      });
    issuer.removeKey(`of-${alg}`);
  });

  it('has a minute more at both ends, for clocks differ', async () => {
    for (const claims of [{ exp: seconds() - 55 }, { nbf: seconds() + 55 }])
      expect(await authenticator()(await issuer.sign({ ...ada, ...claims }))).toMatchObject({ name: 'ada' });
  });

  it('leaves API tokens as they are: known at once, without the issuer', () => {
    expect(authenticator()(apiToken)).toEqual({ name: 'mesh', roles: ['service'] });
    expect(() => authenticator()('another-token-of-nobody')).toThrow('this API token is not known');
  });

  it('is verified once, and known at once for five minutes, or until it expires', async () => {
    const authenticate = authenticator();
    const token = await issuer.sign({ ...ada, exp: seconds() + 3_600 });
    const short = await issuer.sign({ ...ada, exp: seconds() + 100 });
    for (const one of [token, short]) {
      expect(authenticate(one)).toBeInstanceOf(Promise);
      await authenticate(one);
      expect(authenticate(one)).toMatchObject({ name: 'ada' });
    }
    nowMs += 101_000;
    expect(authenticate(token)).toMatchObject({ name: 'ada' });
    expect(await authenticate(short)).toMatchObject({ name: 'ada' });
    nowMs += 60_000;
    await expect(authenticate(short)).rejects.toThrow(/the JWT has expired/);
    nowMs += 140_000;
    expect(authenticate(token)).toBeInstanceOf(Promise);
    expect(await authenticate(token)).toMatchObject({ name: 'ada' });
  });

  it('is remembered no longer than 10,000 others come', async () => {
    const verifier = new JwtVerifier(
      { ...readJwtOptions(environment)!, issuer: issuer.url },
      new IssuerKeys({ issuer: issuer.url, jwksUrl: undefined }),
    );
    const token = await issuer.sign(ada);
    for (let i = 0; i <= 10_000; i += 1) await verifier.caller(token, `digest-${i}`);
    expect(verifier.caller(token, 'digest-1')).not.toBeInstanceOf(Promise);
    expect(verifier.caller(token, 'digest-0')).toBeInstanceOf(Promise);
    await verifier.caller(token, 'digest-0'); // takes the place of digest-2: digest-1 was used a moment ago
    expect(verifier.caller(token, 'digest-1')).not.toBeInstanceOf(Promise);
  }, 60_000);
});

describe('roles', () => {
  const rolesOf = async (claims: Record<string, unknown>, over: Partial<JwtOptions> = {}) =>
    (await authenticator(over)(await issuer.sign({ sub: 'ada', ...claims }))).roles;

  it('come from a claim, a path of claims, a claim with dots in its name, or text with spaces', async () => {
    const keycloak = { realm_access: { roles: ['a', 'b'] } };
    expect(await rolesOf(keycloak, { rolesClaim: 'realm_access.roles' })).toEqual(['a', 'b']);
    expect(await rolesOf({ 'https://x.y/roles': ['c'] }, { rolesClaim: 'https://x.y/roles' })).toEqual(['c']);
    expect(await rolesOf({ scope: 'read write' }, { rolesClaim: 'scope' })).toEqual(['read', 'write']);
    for (const claims of [{}, { roles: 7 }, { roles: { a: 1 } }, { roles: null }])
      expect(await rolesOf(claims)).toEqual([]);
    expect(await rolesOf({ a: 1 }, { rolesClaim: 'constructor.name' })).toEqual([]);
  });

  it('that are no names here are ignored, and at most 50 count', async () => {
    expect(
      await rolesOf({ roles: ['ok', 'Upper', 'a b', '', '-x', 'ok', 7, null, 'a\nb', `x${'y'.repeat(63)}`] }),
    ).toEqual(['ok']);
    expect(await rolesOf({ roles: Array.from({ length: 80 }, (_, i) => `r${i}`) })).toHaveLength(50);
  });

  it('admin and service cannot be claimed, unless a setting says so', async () => {
    const roles = ['admin', 'service', 'analyst'];
    expect(await rolesOf({ roles })).toEqual(['analyst']);
    expect(await rolesOf({ roles }, { unlimitedRoles: true })).toEqual(roles);
  });
});

describe('a JWT is refused', () => {
  it('that is not signed', async () => {
    const unsigned = new UnsecuredJWT({ ...ada, iss: issuer.url, aud: audience }).setExpirationTime('1h').encode();
    expect(await refused(unsigned)).toMatch(/alg of the JWT is not one of RS256, PS256, ES256, EdDSA/);
  });

  it('that takes the public key for a shared secret', async () => {
    const secret = new TextEncoder().encode(JSON.stringify(issuer.publicKey('first')));
    const forged = new SignJWT({ ...ada, iss: issuer.url, aud: audience }).setExpirationTime('1h');
    const token = await forged.setProtectedHeader({ alg: 'HS256', kid: 'first', typ: 'JWT' }).sign(secret);
    expect(await refused(token)).toMatch(/alg of the JWT/);
  });

  it('that another key has signed, or of which a claim was changed', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const header = { alg: 'ES256', kid: 'first', typ: 'JWT' };
    const forged = new SignJWT({ ...ada, iss: issuer.url, aud: audience }).setExpirationTime('1h');
    expect(await refused(await forged.setProtectedHeader(header).sign(privateKey))).toMatch(/signature/);
    const [head, , signature] = (await issuer.sign(ada)).split('.');
    const [, body] = (await issuer.sign({ ...ada, sub: 'eve' })).split('.');
    expect(await refused([head, body, signature].join('.'))).toMatch(/signature/);
  });

  it.each([
    [{ iss: 'https://elsewhere.example' }, /iss of the JWT is "https:\/\/elsewhere.example", and has to be "http:/],
    [{ iss: undefined }, /iss of the JWT is missing/],
    [{ aud: ['another'] }, /aud of the JWT is \["another"\], and has to hold "millrace"/],
    [{ aud: undefined }, /aud of the JWT is missing/],
    [{ exp: 1_000 }, /the JWT has expired \(exp is 1000\)/],
    [{ exp: undefined }, /exp of the JWT is missing/],
    [{ exp: 'never' }, /exp of the JWT is "never", and has to be a time/],
    [{ nbf: 9_999_999_999 }, /nbf of the JWT is 9999999999: it is not valid yet/],
    [{ sub: undefined }, /sub of the JWT is missing, and has to be text/],
    [{ sub: 'a\nb' }, /sub of the JWT is "a\\nb"/],
    [{ sub: 'x'.repeat(201) }, /sub of the JWT/],
    [{ sub: 'mesh' }, /"mesh", which is the name of a caller with an API token/],
  ])('that claims %j', async (claims, message) => {
    expect(await refused(await issuer.sign({ ...ada, ...claims }))).toMatch(message);
  });

  it('of another type, as an ID token or a logout token may be', async () => {
    for (const typ of ['logout+jwt', undefined])
      expect(await refused(await issuer.sign(ada, { typ }))).toMatch(/typ of the JWT is .*has to be at\+jwt or JWT/);
  });

  it('that is too long, or no JWT inside, before the issuer is asked', async () => {
    const before = issuer.asked.length;
    expect(await refused(`eyJ.${'x'.repeat(8_192)}.y`)).toMatch(/at most 8192 characters/);
    expect(await refused('eyJ.x.y')).toMatch(/not a well-formed JWT/);
    expect(issuer.asked).toHaveLength(before);
  });
});

describe('the keys of the issuer', () => {
  it('are fetched again for a kid that is not among them, but not twice within the cool-down', async () => {
    await issuer.addKey('old', 'ES256');
    const [authenticate, patient] = [authenticator({}, 0), authenticator()];
    for (const one of [authenticate, patient]) await one(await issuer.sign(ada, {}, 'old'));
    issuer.removeKey('old');
    await issuer.addKey('rotated', 'ES256');
    const token = await issuer.sign(ada, {}, 'rotated');
    const before = issuer.asked.length;
    await expect(patient(token)).rejects.toThrow(/kid of the JWT names no key of http/);
    expect(issuer.asked).toHaveLength(before);
    expect(await authenticate(token)).toMatchObject({ name: 'ada' });
    expect(issuer.asked).toHaveLength(before + 1);
  });

  it('are found where its configuration says, once a JWT comes, and only where that is of this issuer', async () => {
    const before = issuer.asked.length;
    expect(await authenticator({ jwksUrl: undefined })(await issuer.sign(ada))).toMatchObject({ name: 'ada' });
    expect(issuer.asked.slice(before)).toEqual(['/.well-known/openid-configuration', '/keys']);
    await expect(
      authenticator({ jwksUrl: undefined, issuer: `${issuer.url}/` })(await issuer.sign(ada)),
    ).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('is of issuer "http://') });
  });

  it.each([
    [{ status: 503, body: '' }, /Expected 200 OK/],
    [{ status: 200, body: 'not JSON' }, /JSON/],
    [{ status: 200, body: `{"keys":[],"x":"${'x'.repeat(300_000)}"}` }, /more than 262144 bytes/],
  ])('that cannot be had are unavailable, not a reason to refuse: %#', async (instead, message) => {
    const token = await issuer.sign(ada);
    issuer.instead = instead;
    const authenticate = authenticator();
    await expect(authenticate(token)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(message),
    });
    const before = issuer.asked.length;
    await expect(authenticate(token)).rejects.toMatchObject({ code: 'unavailable' });
    expect(issuer.asked).toHaveLength(before); // not asked again within a second
    issuer.instead = undefined;
  });

  it('of an issuer that is away are unavailable, with the reason', async () => {
    const jwksUrl = new URL('http://127.0.0.1:47195/keys');
    await expect(authenticator({ jwksUrl })(await issuer.sign(ada))).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/keys of http:.* cannot be had: .*fetch failed \(.*ECONNREFUSED.*\)/),
    });
  });
});

const environment: JwtEnvironment = {
  JWT_ISSUER: 'https://issuer.example/realms/one',
  JWT_AUDIENCE: audience,
  JWT_JWKS_URL: '',
  JWT_ROLES_CLAIM: 'roles',
  JWT_NAME_CLAIM: 'sub',
  JWT_UNLIMITED_ROLES: false,
};

describe('settings', () => {
  it('are off without an issuer, and whole with one', () => {
    expect(readJwtOptions({ ...environment, JWT_ISSUER: '', JWT_AUDIENCE: '' })).toBeUndefined();
    expect(readJwtOptions(environment)).toMatchObject({ issuer: environment.JWT_ISSUER, jwksUrl: undefined });
  });

  it.each([
    [{ JWT_ISSUER: '' }, /JWT_ISSUER: is not set/],
    [{ JWT_AUDIENCE: '' }, /JWT_AUDIENCE: is not set/],
    [{ JWT_ISSUER: 'http://issuer.example' }, /JWT_ISSUER: "http:\/\/issuer.example" has to be an https:/],
    [{ JWT_JWKS_URL: 'http://127.0.0.1.example.org/keys' }, /JWT_JWKS_URL: /],
    [{ JWT_JWKS_URL: 'file:///keys' }, /JWT_JWKS_URL: /],
  ])('%j keep a service from starting', (over, message) => {
    expect(() => readJwtOptions({ ...environment, ...over })).toThrow(message);
  });
});
