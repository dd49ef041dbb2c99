import { FrameType, WINDOW_DEFAULT_BYTES } from '../frames/frame';
import { dataFrame, type RawFrame } from './raw-frame';
import type { RawPeer } from './raw-peer';

/** How long a window may stay shut before nothing more is sent into it. */
const SHUT_MS = 200;

/** Sends DATA as the other end's windows allow, and no more. Takes the connection's WINDOW_UPDATEs from what waits. */
export class WindowedSender {
  private connectionBytes = WINDOW_DEFAULT_BYTES;
  private readonly streamBytes = new Map<number, number>();

  /** @param initialBytes of each stream, as the other end's SETTINGS say */
  constructor(
    private readonly peer: RawPeer,
    private readonly initialBytes = 262_144,
  ) {}

  /** One frame, once there is room for it. False: there was none for a while, or the connection has ended. */
  async send(streamId: number, bytes: Buffer): Promise<boolean> {
    while (Math.min(this.connectionBytes, this.roomOf(streamId)) < bytes.length) {
      if (!(await this.widen())) return false;
    }
    this.connectionBytes -= bytes.length;
    this.streamBytes.set(streamId, this.roomOf(streamId) - bytes.length);
    this.peer.send(dataFrame(streamId, bytes));
    await this.peer.flushed();
    return !this.peer.ended;
  }

  private roomOf(streamId: number): number {
    return this.streamBytes.get(streamId) ?? this.initialBytes;
  }

  private async widen(): Promise<boolean> {
    const isUpdate = ({ type }: RawFrame): boolean => type === FrameType.WINDOW_UPDATE;
    const update = await this.peer.next('a WINDOW_UPDATE', isUpdate, SHUT_MS).catch(() => undefined);
    if (update === undefined) return false;
    const moreBytes = update.payload.readUInt32BE(0);
    if (update.streamId === 0) this.connectionBytes += moreBytes;
    else this.streamBytes.set(update.streamId, this.roomOf(update.streamId) + moreBytes);
    return true;
  }
}
