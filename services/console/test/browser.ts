import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ServiceDefinition } from '@grpc/grpc-js';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { AccessGuard } from '#libs/auth/access-guard.js';
import { Authorizer } from '#libs/auth/authorizer.js';
import { TokenAuthenticator } from '#libs/auth/token-authenticator.js';
import { FeatureStoreService } from '#libs/contracts/generated/millrace/features/v1/features.js';
import { GovernanceService } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { MonitorService } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { RegistryService } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { TrainerService } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { ValidatorService } from '#libs/contracts/generated/millrace/validator/v1/validator.js';
import { addressSetting, httpAddressSetting, serviceNames } from '#libs/contracts/services.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { launchBrowser, openPage } from '#libs/testing/chromium.js';
import { type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { type AskedService, askedServices } from '../src/console.settings.js';

/** A caller without any role. */
export const guestToken = 'token-of-a-guest-without-roles';
const tokens = `test=${token},guest=${guestToken}`;

const definitions = {
  registry: RegistryService,
  validator: ValidatorService,
  'feature-store': FeatureStoreService,
  trainer: TrainerService,
  monitor: MonitorService,
  governance: GovernanceService,
} as const satisfies Partial<Record<AskedService, ServiceDefinition>>;
type Faked = keyof typeof definitions;

/** What fake services answer, by method name as in the generated definition (`listAlerts`); what is not here answers UNIMPLEMENTED. */
export type Answers = Partial<Record<Faked, Record<string, (request: never, context: CallContext) => unknown>>>;

export interface Console {
  readonly process: ServiceProcess;
  readonly url: string;
  /** A page of its own session, not signed in. What it complains about is in `complaints`. */
  open(options?: BrowserContextOptions): Promise<{ page: Page; complaints: string[] }>;
  /** Signed in, and at this place: `#/streams`. */
  visit(
    hash: string,
    options?: BrowserContextOptions & { token?: string },
  ): Promise<{ page: Page; complaints: string[] }>;
  close(): Promise<void>;
}

/**
 * The built console as a process, before recorded answers over real gRPC, and a Chromium to look at it.
 * @param away services at whose address nobody listens
 */
export async function openConsole(
  answers: Answers,
  settings: Readonly<Record<string, string>> = {},
  away: readonly AskedService[] = [],
): Promise<Console> {
  const grpc = await serve(answers);
  const http = await serveHttp();
  const addresses = Object.fromEntries([
    ...askedServices.map((name) => [addressSetting(name), away.includes(name) ? '127.0.0.1:1' : grpc.address]),
    ...serviceNames.map((name) => [
      httpAddressSetting(name),
      (away as readonly string[]).includes(name) ? '127.0.0.1:1' : http.address,
    ]),
  ]) as Record<string, string>;
  const { KAFKA_BROKERS } = getTestInfrastructure();
  const own = { MILLRACE_TOKENS: tokens, ...addresses, ...settings };
  const process = await startService('console', KAFKA_BROKERS, own);
  const browser = await launchBrowser();
  return {
    process,
    url: process.httpUrl,
    open: (options) => openPage(browser, options),
    visit: async (hash, { token: given = token, ...options } = {}) => {
      const opened = await openPage(browser, options);
      await opened.page.goto(`${process.httpUrl}/#token=${given}`);
      await opened.page.getByRole('button', { name: 'Sign out' }).waitFor();
      await opened.page.goto(`${process.httpUrl}/${hash}`);
      return opened;
    },
    close: async () => {
      await browser.close();
      await process.kill('SIGTERM');
      await grpc.server.close();
      http.server.close();
    },
  };
}

async function serve(answers: Answers): Promise<{ server: GrpcServer; address: string }> {
  const address = `127.0.0.1:${await freePort()}`;
  const guard = new AccessGuard(new TokenAuthenticator(tokens, 'test=admin'), new Authorizer(), () => undefined);
  const server = new GrpcServer(address, guard, new Readiness(), new Logger('fake', 'error'), 100);
  for (const [name, definition] of Object.entries(definitions) as [Faked, ServiceDefinition][]) {
    const given = answers[name] ?? {};
    const handlers = Object.keys(definition).map((method) => {
      const answer = given[method];
      const run = async (request: never, context: CallContext) => answer?.(request, context);
      return [method, answer === undefined ? handle.notBuilt : handle.unary(run)] as const;
    });
    server.addService(definition, Object.fromEntries(handlers));
  }
  await new Promise<void>((resolve, reject) =>
    server.listen((error) => (error === undefined ? resolve() : reject(error as Error))),
  );
  return { server, address };
}

async function serveHttp(): Promise<{ server: Server; address: string }> {
  const server = createServer((request, response) => {
    if (request.url === '/readyz') response.end(JSON.stringify({ ready: true, reasons: {} }));
    else response.end('millrace_inference_gateway_predictions_total{endpoint="e"} 1\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
