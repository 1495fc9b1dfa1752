import { z } from 'zod';
import { type GrpcTransportName, grpcTransports } from '#libs/rpc/grpc-transport.js';
import { tracingSettings } from './tracing-settings.js';

/** Settings come from the environment, are parsed once, and all problems are reported at once. */
export function loadSettings<S extends z.ZodRawShape>(
  shape: S,
  env: Record<string, string | undefined> = process.env,
): z.infer<z.ZodObject<S>> {
  const result = z.object(shape).safeParse(env);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => {
    const name = issue.path.join('.');
    const value = env[name];
    return `  ${name}${value === undefined ? ' is not set' : `="${redact(name, value)}"`}: ${issue.message}`;
  });
  throw new Error(`settings are not usable:\n${lines.join('\n')}`);
}

/** A setting as it may be printed: secrets and the passwords in URLs are replaced. */
export function redact(name: string, value: string): string {
  if (/TOKEN|PASSWORD|SECRET|API_KEY|OTLP_HEADERS/.test(name)) return '***';
  return value.replace(/(\/\/[^:/@]+):[^@]+@/, '$1:***@');
}

export function redactAll(settings: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, typeof value === 'string' ? redact(name, value) : value]),
  );
}

const address = z.string().regex(/^[^:\s]+:\d{1,5}$/, 'must be host:port, e.g. 127.0.0.1:7101');

export const setting = {
  /** host:port */
  address: () => address,
  /** host:port,host:port */
  addresses: () => z.string().transform((text) => text.split(',').map((part) => address.parse(part.trim()))),
  /** '' = none. */
  addressesOrNone: () =>
    z
      .string()
      .default('')
      .transform((text) => (text === '' ? [] : text.split(',').map((part) => address.parse(part.trim())))),
  url: () => z.url(),
  integer: (fallback: number, min: number, max: number) => z.coerce.number().int().min(min).max(max).default(fallback),
  flag: (fallback: boolean) =>
    z
      .enum(['true', 'false'])
      .default(fallback ? 'true' : 'false')
      .transform((text) => text === 'true'),
  text: () => z.string().min(1),
  /** What carries gRPC calls: the stock implementation of Node, or ours over plain sockets, which costs a fraction and is what the serving path has. */
  grpcTransport: (fallback: GrpcTransportName) => z.enum(grpcTransports).default(fallback),
};

/** What every service needs: where to listen, where Kafka is, who it is, and whom it lets in. */
export const serviceSettings = {
  GRPC_LISTEN: setting.address(),
  HTTP_LISTEN: setting.address(),
  KAFKA_BROKERS: setting.addresses(),
  /** The token this service presents to its peers. */
  MILLRACE_TOKEN: setting.text(),
  /** Who may call: `caller=token,caller=token`. */
  MILLRACE_TOKENS: setting.text(),
  /** What callers are, for policies to say what they may: `caller=role+role,...`; `admin` and `service` may everything, a caller that is not named nothing. */
  MILLRACE_ROLES: setting.text().default('local-user=admin,mesh=service'),
  /** Whose JWTs name callers too, as their `iss` spells it; '' = nobody's. */
  JWT_ISSUER: z.string().default(''),
  /** What `aud` of such a JWT has to hold. */
  JWT_AUDIENCE: z.string().default(''),
  /** Where the issuer's keys are; '' = what its /.well-known/openid-configuration says. */
  JWT_JWKS_URL: z.string().default(''),
  /** The claim with the roles, or a path with dots to it (Keycloak: realm_access.roles). */
  JWT_ROLES_CLAIM: setting.text().default('roles'),
  JWT_NAME_CLAIM: setting.text().default('sub'),
  /** Whether a JWT may claim the roles `admin` and `service`, which may everything. */
  JWT_UNLIMITED_ROLES: setting.flag(false),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  DRAIN_GRACE_MS: setting.integer(5_000, 0, 60_000),
  ...tracingSettings,
  GRPC_TRANSPORT: setting.grpcTransport('grpc-js'),
  /** Of one gRPC message, packed and unpacked; larger ones are refused. */
  GRPC_MAX_MESSAGE_BYTES: setting.integer(8 * 2 ** 20, 2 ** 16, 2 ** 30),
  /** A connection as old as that takes no new calls, and its caller makes another: which may reach another process or machine. 0 = it is kept for as long as its caller likes. */
  GRPC_MAX_CONNECTION_AGE_MS: setting.integer(0, 0, 86_400_000),
};

export type ServiceSettings = z.infer<z.ZodObject<typeof serviceSettings>>;
