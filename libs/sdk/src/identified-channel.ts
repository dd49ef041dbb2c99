import { Metadata, type Bytes, type CallOptions, type Channel, type ChannelState } from '@bms/transport';

/** A channel that adds metadata (who asks, for which tenant, with which token) and a deadline to every call. */
export class IdentifiedChannel implements Channel {
  constructor(
    private readonly inner: Channel,
    private readonly identity: Readonly<Record<string, string | undefined>>,
    /** For calls that bring no deadline: milliseconds from their start. */
    private readonly timeoutMs: number,
    private readonly now: () => number,
  ) {}

  get address(): string {
    return this.inner.address;
  }

  get state(): ChannelState {
    return this.inner.state;
  }

  onStateChange(listener: (state: ChannelState) => void): () => void {
    return this.inner.onStateChange(listener);
  }

  connect(): void {
    this.inner.connect();
  }

  unary(path: string, request: Bytes, options?: CallOptions): Promise<Bytes> {
    return this.inner.unary(path, request, this.identified(options));
  }

  stream(path: string, requests: AsyncIterable<Bytes>, options?: CallOptions): AsyncIterable<Bytes> {
    return this.inner.stream(path, requests, this.identified(options));
  }

  close(): void {
    this.inner.close();
  }

  private identified(options: CallOptions = {}): CallOptions {
    const metadata = Metadata.from(this.identity);
    for (const [name, value] of options.metadata?.entries() ?? []) metadata.set(name, value);
    return { ...options, metadata, deadlineMs: options.deadlineMs ?? this.now() + this.timeoutMs };
  }
}
