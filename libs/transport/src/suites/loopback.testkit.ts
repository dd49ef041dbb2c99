import type { Bytes, Route, Routes } from '../call';
import type { Channel, ChannelOptions, ChannelState } from '../channel';
import type { Server, ServerOptions } from '../server';
import type { TransportKit } from './transport-kit.testkit';

/** What a {@link loopback} of some kit is made of. */
export type LoopbackParts = [
  routes: Readonly<Record<string, Route>> | Routes,
  serverOptions?: ServerOptions,
  channelOptions?: ChannelOptions,
];

/** A server on a free port and a channel to it. */
export interface Loopback {
  readonly server: Server;
  readonly channel: Channel;
  readonly port: number;
  readonly close: () => Promise<void>;
}

export async function loopback(
  kit: TransportKit,
  routes: Readonly<Record<string, Route>> | Routes,
  serverOptions: ServerOptions = {},
  channelOptions: ChannelOptions = {},
): Promise<Loopback> {
  const server = kit.server(
    routes instanceof Map ? (routes as Routes) : new Map(Object.entries(routes)),
    serverOptions,
  );
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const channel = kit.channel(`127.0.0.1:${port}`, channelOptions);
  return {
    server,
    channel,
    port,
    close: async () => {
      channel.close();
      await server.close();
    },
  };
}

export function unary(handle: Extract<Route, { kind: 'unary' }>['handle']): Route {
  return { kind: 'unary', handle };
}

export function stream(handle: Extract<Route, { kind: 'stream' }>['handle']): Route {
  return { kind: 'stream', handle };
}

export const ECHO = unary(async (request) => request);

export function bytes(content: string): Bytes {
  return Buffer.from(content);
}

export function text(content: Bytes | undefined): string {
  return Buffer.from(content ?? []).toString();
}

export async function* messages(...contents: readonly string[]): AsyncIterable<Bytes> {
  for (const content of contents) yield bytes(content);
}

export async function textsOf(answers: AsyncIterable<Bytes>): Promise<string[]> {
  const texts: string[] = [];
  for await (const answer of answers) texts.push(text(answer));
  return texts;
}

/** A promise and what settles it. */
export interface Gate<T = void> {
  readonly opened: Promise<T>;
  open(value: T): void;
}

export function gate<T = void>(): Gate<T> {
  let open: (value: T) => void = () => {};
  const opened = new Promise<T>((resolve) => (open = resolve));
  return { opened, open };
}

/** Resolves once the channel is in `state`. */
export async function reached(channel: Channel, state: ChannelState): Promise<void> {
  if (channel.state === state) return;
  await new Promise<void>((resolve) => {
    const stop = channel.onStateChange((next) => {
      if (next !== state) return;
      stop();
      resolve();
    });
  });
}
