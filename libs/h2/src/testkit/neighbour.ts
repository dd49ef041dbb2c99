import { rawCall } from './raw-call';
import { RawPeer } from './raw-peer';
import { TargetPath } from './target';

/** Somebody honest on a connection of their own, who calls again and again beside an attack and checks each answer. */
export class Neighbour {
  /** Calls answered rightly so far. */
  calls = 0;
  private leaving = false;
  private readonly done: Promise<void>;

  private constructor(private readonly peer: RawPeer) {
    this.done = this.callOn();
    this.done.catch(() => {}); // told by stop()
  }

  static async start(port: number): Promise<Neighbour> {
    return new Neighbour(await RawPeer.open(port, [], { credits: 'lots' }));
  }

  /** Makes one more call, after what came before, and ends. Throws when any call was not answered as it must be. */
  async stop(): Promise<void> {
    this.leaving = true;
    await this.done;
    await this.peer.close();
  }

  private async callOn(): Promise<void> {
    for (let last = false; !last; this.calls += 1) {
      last = this.leaving;
      const content = `call ${this.calls}`;
      const { status, messages, reset } = await rawCall(this.peer, 2 * this.calls + 1, TargetPath.ECHO, content);
      if (status !== '0' || String(messages) !== content) {
        throw new Error(
          `the neighbour’s ${content} was answered with ${status ?? `reset ${reset}`}: ${String(messages)}`,
        );
      }
    }
  }
}
