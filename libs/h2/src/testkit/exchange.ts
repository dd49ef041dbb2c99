import { type BmsError, reasonName } from '@bms/contracts';
import { H2Channel } from '../client/h2-channel';
import { Flag, FrameType } from '../frames/frame';
import { grpcMessage } from './grpc-request';
import { literalBlock } from './header-block';
import { dataFrame, headersFrame, type RawFrame } from './raw-frame';
import { RawListener } from './raw-listener';
import type { RawPeer } from './raw-peer';

export const PATH = '/target.T/Echo';
/** What gRPC's answers begin with. */
export const HEAD: readonly string[] = [':status', '200', 'content-type', 'application/grpc'];

export const isCall = ({ type }: RawFrame): boolean => type === FrameType.HEADERS;
export const endsRequest = ({ type, flags }: RawFrame): boolean =>
  type === FrameType.DATA && (flags & Flag.END_STREAM) !== 0;

export function headers(streamId: number, fields: readonly string[], end = false): Buffer {
  return headersFrame(streamId, literalBlock(fields), { end });
}

/** A right answer of one message. */
export function echoOn(streamId: number, text: string): Buffer[] {
  return [
    headers(streamId, HEAD),
    dataFrame(streamId, grpcMessage(text)),
    headers(streamId, ['grpc-status', '0'], true),
  ];
}

/** What became of a unary call. */
export interface Outcome {
  readonly text?: string;
  /** By name. */
  readonly reason?: string;
  readonly message?: string;
}

/** A channel of ours that calls a server which says what a test says. */
export class Exchange {
  channel: H2Channel;

  private constructor(readonly listener: RawListener) {
    this.channel = new H2Channel(listener.address);
  }

  static async start(): Promise<Exchange> {
    return new Exchange(await RawListener.start());
  }

  /** From here on, calls go over another channel. */
  redial(): void {
    this.channel.close();
    this.channel = new H2Channel(this.listener.address);
  }

  call(content = 'x'): Promise<Outcome> {
    return this.channel.unary(PATH, Buffer.from(content)).then(
      (bytes) => ({ text: Buffer.from(bytes).toString() }),
      (error: unknown) => ({ reason: reasonName((error as BmsError).reason), message: (error as BmsError).message }),
    );
  }

  /** A call over a connection of its own, answered by what `answer` makes for its stream once the request has ended. */
  async answered(answer: (streamId: number) => readonly Buffer[]): Promise<Outcome> {
    const outcome = this.call();
    const peer = await this.listener.welcome();
    const { streamId } = await peer.next('the call', isCall);
    await peer.next('the end of the request', endsRequest);
    peer.send(...answer(streamId));
    return outcome;
  }

  /** One more call, answered rightly. */
  async answeredOn(peer: RawPeer, text: string): Promise<Outcome> {
    const outcome = this.call(text);
    const { streamId } = await peer.next('the call', isCall);
    peer.send(...echoOn(streamId, text));
    return outcome;
  }

  /** Resolves when the channel has become ready. */
  ready(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.channel.onStateChange((state) => {
        if (state !== 'ready') return;
        stop();
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    this.channel.close();
    await this.listener.close();
  }
}
