import { get } from 'node:http';
import { httpAddressSetting, type ServiceName } from '#libs/contracts/services.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { ServiceView } from '../../views/mesh.view.js';
import type { ConsoleSettings } from '../console.settings.js';
import { ServiceProbe } from '../domain/ports.js';

const timeoutMs = 900;
const maxBytes = 4 * 1024 * 1024;

/** /readyz and /metrics of each service, with the console's own token. */
export class HttpServiceProbe extends ServiceProbe {
  private readonly addresses: Record<string, string>;

  constructor(private readonly settings: ConsoleSettings) {
    super();
    this.addresses = settings as unknown as Record<string, string>;
  }

  async state(name: ServiceName): Promise<ServiceView> {
    try {
      const { status, body } = await this.get(name, '/readyz');
      const { reasons } = JSON.parse(body) as { reasons: Record<string, string> };
      return { name, state: status === 200 ? 'ready' : 'not-ready', reasons };
    } catch {
      // Whatever does not answer as a service does is away: that is the answer.
      return { name, state: 'away', reasons: {} };
    }
  }

  async counter(service: ServiceName, metric: string): Promise<number> {
    const { status, body } = await this.get(service, '/metrics').catch((error: unknown) => {
      throw new MillraceError('unavailable', `${service}: /metrics does not answer`, { cause: error });
    });
    if (status !== 200) throw new MillraceError('unavailable', `${service}: /metrics answers ${status}`);
    const lines = body.split('\n').filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  private get(service: ServiceName, path: string): Promise<{ status: number; body: string }> {
    const headers = { authorization: `Bearer ${this.settings.MILLRACE_TOKEN}` };
    const url = `http://${this.addresses[httpAddressSetting(service)]}${path}`;
    return new Promise((resolve, reject) => {
      const request = get(url, { timeout: timeoutMs, headers }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
          if (body.length > maxBytes) request.destroy(new Error(`more than ${maxBytes} bytes`));
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        response.on('error', reject);
      });
      request.on('error', reject);
      request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    });
  }
}
