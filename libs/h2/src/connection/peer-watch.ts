import { SilenceMeter, type SilenceLimits } from '@bms/transport';
import type { Connection } from './connection';

/**
 * Looks now and then whether the peer of a connection still lives, and breaks the connection when it has gone silent: the network does not
 * say that a host was cut off or that a process stands still.
 */
export class PeerWatch {
  private readonly meter: SilenceMeter;
  private lastMs: number;
  private heardBytes = 0;
  private saidBytes = 0;

  constructor(
    private readonly connection: Connection,
    limits: SilenceLimits,
    nowMs: number,
  ) {
    this.meter = new SilenceMeter(limits);
    this.lastMs = nowMs;
  }

  /** @param everyMs how often it looks: time in which this process did not get to run is nobody's silence */
  look(nowMs: number, everyMs: number): void {
    const { socket, streams } = this.connection;
    if (socket.destroyed) return;
    const { bytesRead, bytesWritten } = socket;
    const verdict = this.meter.look({
      elapsedMs: Math.min(nowMs - this.lastMs, everyMs),
      heard: bytesRead !== this.heardBytes,
      said: bytesWritten !== this.saidBytes,
      inUse: streams.size > 0,
    });
    this.lastMs = nowMs;
    this.heardBytes = bytesRead;
    this.saidBytes = bytesWritten;
    if (verdict === 'ask') this.connection.ping();
    if (verdict === 'silent')
      this.connection.destroy(new Error('nothing came from the peer, not even the answer to a PING'));
  }
}
