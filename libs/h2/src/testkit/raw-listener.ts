import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { FrameType } from '../frames/frame';
import { settingsFrame } from './raw-frame';
import { RawPeer, type RawPeerManners } from './raw-peer';
import { within } from './within';

/** Accepts clients as raw peers: for tests of a client. */
export class RawListener {
  private readonly arrived: RawPeer[] = [];
  private readonly all: RawPeer[] = [];
  private wake: () => void = () => {};
  private readonly listener = net.createServer((socket) => {
    const peer = new RawPeer(socket, 'server', this.manners);
    this.arrived.push(peer);
    this.all.push(peer);
    this.wake();
  });

  private constructor(private readonly manners: RawPeerManners) {}

  static async start(manners: RawPeerManners = {}): Promise<RawListener> {
    const raw = new RawListener(manners);
    raw.listener.listen(0, '127.0.0.1');
    await once(raw.listener, 'listening');
    return raw;
  }

  get port(): number {
    return (this.listener.address() as AddressInfo).port;
  }

  /** `host:port` to dial. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** The next client's connection, to which nothing has been said. */
  async accept(): Promise<RawPeer> {
    const waited = this.arrived.length > 0 ? Promise.resolve() : new Promise<void>((resolve) => (this.wake = resolve));
    await within(waited, () => 'a client');
    return this.arrived.shift() as RawPeer;
  }

  /** The next client, greeted as a server does. */
  async welcome(settings: readonly (readonly [setting: number, value: number])[] = []): Promise<RawPeer> {
    const peer = await this.accept();
    peer.send(settingsFrame(...settings));
    await peer.next('the client’s SETTINGS', ({ type, flags }) => type === FrameType.SETTINGS && flags === 0);
    return peer;
  }

  async close(): Promise<void> {
    this.listener.close();
    await Promise.all(this.all.map((peer) => peer.close()));
  }
}
