import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

export const audience = 'millrace';

/** An issuer of JWTs on loopback, with its keys over real HTTP. */
export class JwtIssuer {
  /** Requests for the discovery document and for keys. */
  readonly asked: string[] = [];
  /** What is answered instead of the keys. */
  instead: { status: number; body: string } | undefined;
  private readonly keys = new Map<string, { jwk: JWK; privateKey: CryptoKey; alg: string }>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {
    server.on('request', (request, response) => {
      this.asked.push(request.url!);
      const document = { issuer: this.url, jwks_uri: `${this.url}/keys` };
      const keys = { keys: [...this.keys.values()].map(({ jwk }) => jwk) };
      const answer = request.url === '/keys' ? keys : document;
      response.statusCode = this.instead?.status ?? 200;
      response.end(this.instead?.body ?? JSON.stringify(answer));
    });
  }

  static async start(): Promise<JwtIssuer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const issuer = new JwtIssuer(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await issuer.addKey('first', 'ES256');
    return issuer;
  }

  async addKey(kid: string, alg: string): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    this.keys.set(kid, { jwk: { ...(await exportJWK(publicKey)), kid, alg }, privateKey, alg });
  }

  removeKey(kid: string): void {
    this.keys.delete(kid);
  }

  publicKey(kid: string): JWK {
    return this.keys.get(kid)!.jwk;
  }

  /** @param claims besides iss, aud and an exp in an hour; undefined takes one away */
  sign(claims: Record<string, unknown>, header: Record<string, unknown> = {}, kid = 'first'): Promise<string> {
    const { privateKey, alg } = this.keys.get(kid)!;
    const payload = { iss: this.url, aud: audience, exp: Math.floor(Date.now() / 1_000) + 3_600, ...claims };
    return new SignJWT(payload as JWTPayload)
      .setProtectedHeader({ alg, kid, typ: 'at+jwt', ...header })
      .sign(privateKey);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
