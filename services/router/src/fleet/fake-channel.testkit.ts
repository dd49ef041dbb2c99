import { BmsError, Reason } from '@bms/contracts';
import type { Bytes, CallOptions, Channel, ChannelState } from '@bms/transport';

export interface FakeUnaryCall {
  readonly path: string;
  readonly request: Bytes;
  readonly options: CallOptions;
}

/** Answers a call, or throws. */
export type FakeAnswer = (call: FakeUnaryCall) => Promise<Bytes> | Bytes;
export type FakeStream = (requests: AsyncIterable<Bytes>, options: CallOptions) => AsyncIterable<Bytes>;

/** A channel whose state and answers a spec decides. */
export class FakeChannel implements Channel {
  state: ChannelState = 'idle';
  readonly calls: FakeUnaryCall[] = [];
  answer: FakeAnswer = () => Buffer.from('answer');
  streamed: FakeStream = () => {
    throw new Error('no stream is scripted');
  };
  private readonly listeners = new Set<(state: ChannelState) => void>();

  constructor(readonly address: string) {}

  onStateChange(listener: (state: ChannelState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  connect(): void {
    if (this.state === 'idle') this.become('connecting');
  }

  become(state: ChannelState): void {
    this.state = state;
    for (const listener of [...this.listeners]) listener(state);
  }

  async unary(path: string, request: Bytes, options: CallOptions = {}): Promise<Bytes> {
    const call = { path, request, options };
    this.calls.push(call);
    return this.answer(call);
  }

  stream(_path: string, requests: AsyncIterable<Bytes>, options: CallOptions = {}): AsyncIterable<Bytes> {
    return this.streamed(requests, options);
  }

  close(): void {
    if (this.state !== 'closed') this.become('closed');
  }
}

/** An answer that fails. */
export function failing(reason: Reason, message = 'scripted', retryAfterMs?: number): FakeAnswer {
  return () => {
    throw new BmsError(reason, message, retryAfterMs === undefined ? {} : { retryAfterMs });
  };
}

/** An answer that never comes, until the caller cancels. */
export const silent: FakeAnswer = ({ options: { signal } }) =>
  new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new BmsError(Reason.CANCELLED, 'the call was cancelled')));
  });

/** Channels by address, made when dialled; all that were ever made, in their order. */
export class FakeDialer {
  readonly channels: FakeChannel[] = [];
  onDial: (channel: FakeChannel) => void = () => {};

  readonly dial = (address: string): FakeChannel => {
    const channel = new FakeChannel(address);
    this.channels.push(channel);
    this.onDial(channel);
    return channel;
  };

  /** The latest to that address. */
  to(address: string): FakeChannel {
    const channel = this.channels.findLast((made) => made.address === address);
    if (channel === undefined) throw new Error(`nobody dialled ${address}`);
    return channel;
  }
}
