import type { Http2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { SilenceMeter, type SilenceLimits } from '@bms/transport';

/** The shortest limit is looked at this often while it runs. */
const LOOKS_PER_LIMIT = 5;
const LOOK_MIN_MS = 5;
const LOOK_MAX_MS = 100;

/** One connection that is watched. */
export interface WatchedConnection {
  /** Counts the bytes; also under TLS. */
  readonly socket: Socket;
  readonly session: Http2Session;
  /** How many calls are in flight on it. */
  readonly calls: () => number;
}

/**
 * Watches a connection until it closes, and breaks it when its peer has gone silent: the network does not say that a host was cut off
 * or that a process stands still. Time in which this process did not get to run does not count, as the peer's words may
 * be waiting to be read.
 */
export function watchSilence({ socket, session, calls }: WatchedConnection, limits: SilenceLimits): void {
  const { askAfterMs, answerWithinMs } = limits;
  const everyMs = Math.max(LOOK_MIN_MS, Math.min(LOOK_MAX_MS, Math.min(askAfterMs, answerWithinMs) / LOOKS_PER_LIMIT));
  const meter = new SilenceMeter(limits);
  let [lastMs, heardBytes, saidBytes] = [performance.now(), 0, 0];
  const look = (): void => {
    if (socket.destroyed) return;
    const [nowMs, { bytesRead, bytesWritten }] = [performance.now(), socket];
    const verdict = meter.look({
      elapsedMs: Math.min(nowMs - lastMs, everyMs),
      heard: bytesRead !== heardBytes,
      said: bytesWritten !== saidBytes,
      inUse: calls() > 0,
    });
    [lastMs, heardBytes, saidBytes] = [nowMs, bytesRead, bytesWritten];
    if (verdict === 'ask' && !session.destroyed) session.ping(() => {});
    if (verdict === 'silent') socket.destroy();
  };
  // Not in the timer's own turn: what has come by now is read first.
  const timer = setInterval(() => setImmediate(look), everyMs);
  timer.unref();
  socket.once('close', () => clearInterval(timer));
}
