import { SettingsError } from '@bms/settings';

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;
const WILDCARD = new Set(['0.0.0.0', '::', '']);

export interface BindWish {
  readonly host: string;
  /** Bind beyond loopback although calls are neither encrypted nor authenticated. */
  readonly insecure: boolean;
  /** What others are told to connect to; needed where the host is a wildcard. */
  readonly advertise?: string | undefined;
}

/**
 * The host that others are told. Throws SettingsError when the bind would open the mesh to others
 * without `--insecure`, and when a wildcard bind says nothing about its own address.
 */
export function advertisedHost(wish: BindWish): string {
  if (!LOOPBACK.test(wish.host) && !wish.insecure) {
    throw new SettingsError(
      `setting host (--host, BMS_HOST) is ${JSON.stringify(wish.host)}: only loopback is allowed without TLS and authentication; ` +
        'say --insecure to open the mesh to everyone who can reach it',
    );
  }
  if (wish.advertise !== undefined) return wish.advertise;
  if (!WILDCARD.has(wish.host)) return wish.host;
  throw new SettingsError(
    `setting host (--host, BMS_HOST) is ${JSON.stringify(wish.host)}: a wildcard needs --advertise HOST, the address that others are told`,
  );
}
