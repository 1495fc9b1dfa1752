import { trustedUrl } from '#libs/auth/jwt-settings.js';

/** Where lineage is kept, and where it goes on to. */
export class LineageSettings {
  constructor(
    readonly postgresUrl: string,
    /** Of another OpenLineage server, without /api/v1/lineage; '' = none. */
    readonly forwardUrl: string,
    /** '' = it asks for none. @throws Error where it would travel in plaintext */
    readonly forwardKey: string,
    /** host:port where this service answers. */
    private readonly ownAddress: string,
  ) {
    if (forwardUrl !== '' && !/^https?:$/.test(URL.canParse(forwardUrl) ? new URL(forwardUrl).protocol : ''))
      throw new Error(`OPENLINEAGE_URL: "${forwardUrl}" has to be an http:// or https:// URL`);
    if (forwardUrl !== '' && forwardKey !== '') trustedUrl('OPENLINEAGE_URL (with OPENLINEAGE_API_KEY)', forwardUrl);
  }

  /** People set OPENLINEAGE_URL for their clients, too, and there it is the address of this service. */
  get forwardsToItself(): boolean {
    return this.forwardUrl !== '' && new URL(this.forwardUrl).host === this.ownAddress;
  }
}
