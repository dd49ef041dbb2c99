import { BmsError, Reason } from '@bms/contracts';
import type { Bytes, CallOptions, Channel } from '@bms/transport';

/**
 * Channels to equal routers: calls go to one of them until its connection fails, then to the next. A call of which nothing was
 * sent is tried at each of the routers at once, before it counts as a failed attempt.
 */
export class RouterPool {
  private readonly channels: readonly Channel[];
  private current = 0;

  constructor(addresses: readonly string[], dial: (address: string) => Channel) {
    if (addresses.length === 0) throw BmsError.invalidRequest('router', 'at least one address is needed');
    this.channels = addresses.map(dial);
  }

  async unary(path: string, request: Bytes, options: CallOptions): Promise<Bytes> {
    for (let tried = 1; ; tried++) {
      const used = this.current;
      try {
        return await this.channelAt(used).unary(path, request, options);
      } catch (error) {
        // Of the calls that fail together only the first one moves on, so that they all end up at the same next router.
        const isBroken = BmsError.is(error, Reason.CONNECTION_FAILED, Reason.WORKER_LOST, Reason.DRAINING);
        if (isBroken && this.current === used) this.current = (used + 1) % this.channels.length;
        if (tried >= this.channels.length || !BmsError.is(error, Reason.CONNECTION_FAILED)) throw error;
      }
    }
  }

  close(): void {
    for (const channel of this.channels) channel.close();
  }

  private channelAt(index: number): Channel {
    const channel = this.channels[index];
    if (channel === undefined) throw new Error(`no router ${index}`);
    return channel;
  }
}
