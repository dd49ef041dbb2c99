import { BmsError } from '@bms/contracts';
import type { UnaryHandler } from '@bms/transport';
import type { Stream } from '../connection/stream';
import type { Message } from '../grpc/message';
import { MessageReader } from '../grpc/message-reader';
import type { RequestHead } from '../grpc/request-head';
import { IncomingCall, type CallSettings } from './incoming-call';
import type { ServerConnection } from './server-connection';

/** A call with one request and one answer. */
export class UnaryCall extends IncomingCall {
  private readonly reader: MessageReader;

  constructor(
    private readonly handle: UnaryHandler,
    stream: Stream,
    head: RequestHead,
    connection: ServerConnection,
    settings: CallSettings,
  ) {
    super(stream, head, connection, settings);
    this.reader = new MessageReader(settings.messageLimitBytes, settings.tooLargeRemedy);
  }

  override onData(bytes: Buffer, ended: boolean): void {
    const { reader, stream } = this;
    if (this.over) return;
    try {
      if (bytes.length > 0) {
        reader.push(bytes);
        // At once: a caller that never ends would have us keep any number of them.
        if (reader.hasMore) throw BmsError.invalidRequest('message', 'a second request came on a call that takes one');
        stream.missingBytes = reader.expectedBytes;
        if (!ended && reader.expectedBytes > 0) stream.expect(reader.expectedBytes);
      }
      if (ended) this.onRequest(this.onlyMessage());
    } catch (error) {
      this.refuse(error);
    }
  }

  override onDrain(): void {}

  // A handler of one request waits for nothing of its caller.
  protected override wake(): void {}

  private onlyMessage(): Message {
    this.reader.end();
    const message = this.reader.next();
    if (message === undefined) throw BmsError.invalidRequest('message', 'the call ended without a request');
    return message;
  }

  private onRequest(message: Message): void {
    this.handlerBegun();
    void this.answer(message);
  }

  /** Never rejects. */
  private async answer(message: Message): Promise<void> {
    try {
      const request = message.compressed ? await this.content(message) : message.bytes;
      const response = await this.handle(request, this);
      if (!this.over) this.sendMessage(response);
      this.finish();
    } catch (error) {
      this.finish(error);
    } finally {
      this.handlerEnded();
    }
  }
}
