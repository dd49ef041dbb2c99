import { BmsError, Reason } from '@bms/contracts';
import type { Channel } from '@bms/transport';

/** Where blobs may go or come from: one address at a time, the next one after each break. */
export class BlobAddresses {
  private readonly channels = new Map<string, Channel>();
  private turn = 0;

  /** Throws INTERNAL without an address. */
  constructor(
    private readonly addresses: readonly string[],
    private readonly dial: (address: string) => Channel,
  ) {
    if (addresses.length === 0) throw new BmsError(Reason.INTERNAL, 'admin named no address of artifacts');
  }

  get count(): number {
    return this.addresses.length;
  }

  get channel(): Channel {
    const address = this.addresses[this.turn % this.addresses.length] ?? '';
    let channel = this.channels.get(address);
    if (channel === undefined) this.channels.set(address, (channel = this.dial(address)));
    return channel;
  }

  moveOn(): void {
    this.turn++;
  }

  close(): void {
    for (const channel of this.channels.values()) channel.close();
  }
}
