import type { etcd } from '@bms/contracts';
import type { CallOptions, Client } from '@bms/transport';
import { callFailure } from './call-failure';

/** Who we are for etcd. */
export interface EtcdUser {
  readonly name: string;
  readonly password: string;
}

/** How long etcd may take to check a password: it does so slowly, by design. */
const AUTHENTICATE_WITHIN_MS = 3_000;

/**
 * The one token of a store. etcd forgets tokens when it restarts and when they get old; whoever is told so calls
 * {@link renew}, and many at once make one call.
 */
export class AuthToken {
  private token: string | undefined;
  private renewing: Promise<void> | undefined;

  /** @param user without one, calls carry no token */
  constructor(private readonly user: EtcdUser | undefined) {}

  get userName(): string | undefined {
    return this.user?.name;
  }

  get current(): string | undefined {
    return this.token;
  }

  /** Whether a token has to be fetched before the first call. */
  get missing(): boolean {
    return this.user !== undefined && this.token === undefined;
  }

  /**
   * Fetches a new token, unless that was done since `stale` was the current one. Throws what the call throws.
   * An etcd whose authentication is off gives none, and needs none.
   */
  async renew(auth: Client<typeof etcd.AuthDefinition>, stale: string | undefined): Promise<void> {
    if (this.user === undefined || this.token !== stale) return;
    this.renewing ??= this.fetch(auth, this.user).finally(() => (this.renewing = undefined));
    await this.renewing;
  }

  private async fetch(auth: Client<typeof etcd.AuthDefinition>, { name, password }: EtcdUser): Promise<void> {
    const options: CallOptions = { deadlineMs: Date.now() + AUTHENTICATE_WITHIN_MS };
    try {
      this.token = (await auth.authenticate({ name, password }, options)).token;
    } catch (error) {
      const failure = callFailure(error);
      if (failure.kind !== 'refused' || failure.refusal !== 'auth-off') throw error;
      this.token = '';
    }
  }
}
