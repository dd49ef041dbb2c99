import { FrameType, WINDOW_DEFAULT_BYTES } from '../frames/frame';
import { EDGE_LIMITS } from '../limits';
import { dataFrame, type RawFrame } from './raw-frame';
import type { RawPeer } from './raw-peer';

/** How long all windows may stay shut before nothing more is sent into them. */
const SHUT_MS = 300;

/** Sends DATA as the other end's windows allow, and no more. Takes the WINDOW_UPDATEs from what waits. */
export class WindowedSender {
  private connectionBytes = WINDOW_DEFAULT_BYTES;
  private readonly streamBytes = new Map<number, number>();

  /** @param initialBytes of each stream, as the other end's SETTINGS say */
  constructor(
    private readonly peer: RawPeer,
    private readonly initialBytes = EDGE_LIMITS.streamWindowBytes,
  ) {}

  /**
   * Sends `bytes` again and again, on each stream in turn where there is room, until `mostBytes` are sent, no window opens any more or
   * the connection has ended.
   * @returns how much was sent
   */
  async fill(streamIds: readonly number[], bytes: Buffer, mostBytes: number): Promise<number> {
    let sentBytes = 0;
    let open = true;
    while (open && sentBytes < mostBytes && !this.peer.ended) {
      const beforeBytes = sentBytes;
      for (const id of streamIds) if (this.trySend(id, bytes)) sentBytes += bytes.length;
      await this.peer.flushed();
      open = (await this.widen(1)) || sentBytes > beforeBytes || (await this.widen(SHUT_MS));
    }
    return sentBytes;
  }

  private trySend(streamId: number, bytes: Buffer): boolean {
    const room = Math.min(this.connectionBytes, this.roomOf(streamId));
    if (room < bytes.length) return false;
    this.connectionBytes -= bytes.length;
    this.streamBytes.set(streamId, this.roomOf(streamId) - bytes.length);
    this.peer.send(dataFrame(streamId, bytes));
    return true;
  }

  private roomOf(streamId: number): number {
    return this.streamBytes.get(streamId) ?? this.initialBytes;
  }

  /** Takes all updates that are there, or the next one; false when none comes in time. */
  private async widen(patienceMs: number): Promise<boolean> {
    const isUpdate = ({ type }: RawFrame): boolean => type === FrameType.WINDOW_UPDATE;
    let any = false;
    do {
      const update = await this.peer.next('a WINDOW_UPDATE', isUpdate, patienceMs).catch(() => undefined);
      if (update === undefined) return any;
      any = true;
      const moreBytes = update.payload.readUInt32BE(0);
      if (update.streamId === 0) this.connectionBytes += moreBytes;
      else this.streamBytes.set(update.streamId, this.roomOf(update.streamId) + moreBytes);
    } while (this.peer.waiting.some(isUpdate));
    return any;
  }
}
