import type { BmsError } from '@bms/contracts';
import type { Bytes, StreamHandler } from '@bms/transport';
import type { Stream } from '../connection/stream';
import { PREFIX_BYTES } from '../grpc/message-prefix';
import type { Message } from '../grpc/message';
import { MessageReader } from '../grpc/message-reader';
import type { RequestHead } from '../grpc/request-head';
import { IncomingCall, type CallSettings } from './incoming-call';
import type { ServerConnection } from './server-connection';

interface Reading {
  readonly resolve: (message: Message | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

/** A call with any number of requests and answers. What its handler has not read yet holds its caller back. */
export class StreamingCall extends IncomingCall {
  private readonly reader: MessageReader;
  private reading: Reading | undefined;
  private requestsEnded = false;
  /** What is wrong with what came; told to whoever reads past what was right. */
  private fault: unknown;
  private drained: (() => void) | undefined;
  private whyOver: BmsError | undefined;

  constructor(
    private readonly handle: StreamHandler,
    stream: Stream,
    head: RequestHead,
    connection: ServerConnection,
    settings: CallSettings,
  ) {
    super(stream, head, connection, settings);
    this.reader = new MessageReader(settings.messageLimitBytes, settings.tooLargeRemedy);
  }

  /** Runs the handler, and sends what it gives. Never rejects. */
  async answer(): Promise<void> {
    this.handlerBegun();
    try {
      for await (const message of this.handle(this.requests(), this)) await this.write(message);
      this.finish();
    } catch (error) {
      this.finish(error);
    } finally {
      this.handlerEnded();
    }
  }

  override onData(bytes: Buffer, ended: boolean): void {
    if (this.over || this.fault !== undefined) return;
    try {
      if (bytes.length > 0) this.reader.push(bytes);
      if (ended) {
        this.requestsEnded = true;
        this.reader.end();
      }
    } catch (error) {
      this.fault = this.blamed(error);
    }
    this.stream.missingBytes = this.reader.expectedBytes;
    if (this.reading !== undefined) this.settleReading(this.reading);
  }

  override onDrain(): void {
    const { drained } = this;
    this.drained = undefined;
    drained?.();
  }

  protected override wake(reason: BmsError): void {
    this.whyOver = reason;
    this.reading?.reject(reason);
    this.reading = undefined;
    this.onDrain();
  }

  private requests(): AsyncIterable<Bytes> {
    const iterator: AsyncIterator<Bytes, undefined> = {
      next: async () => {
        const message = await this.read();
        if (message === undefined) return { done: true, value: undefined };
        const value = await this.content(message);
        return { done: false, value };
      },
      return: () => Promise.resolve({ done: true, value: undefined }),
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  private read(): Promise<Message | undefined> {
    const read = new Promise<Message | undefined>((resolve, reject) => {
      if (this.whyOver !== undefined) return reject(this.whyOver);
      this.settleReading({ resolve, reject });
    });
    read.catch(() => {}); // a handler may leave a read behind, and its failure must not end the process
    return read;
  }

  /** Gives the reader what is there, or remembers that it waits. */
  private settleReading(reading: Reading): void {
    this.reading = undefined;
    const message = this.reader.next();
    if (message !== undefined) {
      this.stream.consume(message.bytes.length + PREFIX_BYTES);
      return reading.resolve(message);
    }
    if (this.fault !== undefined) return reading.reject(this.fault);
    if (this.requestsEnded) return reading.resolve(undefined);
    this.reading = reading;
    if (this.reader.expectedBytes > 0) this.stream.expect(this.reader.expectedBytes);
  }

  private async write(message: Bytes): Promise<void> {
    if (this.whyOver !== undefined) throw this.whyOver;
    if (this.sendMessage(message)) return;
    await new Promise<void>((resolve) => (this.drained = resolve));
  }
}
