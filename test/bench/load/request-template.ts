/** What one unary call says, the same each time. */
export interface RequestSpec {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly authority: string;
  /** The message with gRPC's prefix. */
  readonly body: Buffer;
  /** Sent beside those that gRPC asks for; lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

const FRAME_HEAD_BYTES = 9;
const DATA = 0;
const HEADERS = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
/** What every peer must take (RFC 9113 §4.2). */
export const FRAME_BYTES_MAX = 16_384;

/**
 * The frames of one call, made once: a call is a copy with its stream's id written into each frame. Written from RFC 9113 and
 * RFC 7541 alone, sharing nothing with the servers that it is sent to, so that it can bear witness against them.
 */
export class RequestTemplate {
  private readonly head: Buffer;
  private readonly body: Buffer;

  constructor(spec: RequestSpec) {
    const block = headerBlock(spec);
    if (block.length > FRAME_BYTES_MAX) throw new Error(`headers of ${block.length} bytes do not fit into one frame`);
    this.head = Buffer.concat([frameHead(block.length, HEADERS, END_HEADERS), block]);
    this.body = spec.body;
  }

  get bodyBytes(): number {
    return this.body.length;
  }

  /** The HEADERS frame of a call. */
  opening(stream: number): Buffer {
    return stamped(Buffer.from(this.head), stream);
  }

  /** DATA frames with the body's bytes from `from` to `to`; the last ones end the stream. */
  data(stream: number, from: number, to: number): Buffer {
    const frames = Math.ceil((to - from) / FRAME_BYTES_MAX);
    const bytes = Buffer.allocUnsafe(to - from + frames * FRAME_HEAD_BYTES);
    let at = 0;
    for (let start = from; start < to; start += FRAME_BYTES_MAX) {
      const end = Math.min(to, start + FRAME_BYTES_MAX);
      writeFrameHead(bytes, at, end - start, DATA, end === this.body.length ? END_STREAM : 0);
      bytes.writeUInt32BE(stream, at + 5);
      at += FRAME_HEAD_BYTES;
      at += this.body.copy(bytes, at, start, end);
    }
    return bytes;
  }
}

export function frameHead(length: number, type: number, flags: number): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  writeFrameHead(head, 0, length, type, flags);
  return head;
}

function writeFrameHead(bytes: Buffer, at: number, length: number, type: number, flags: number): void {
  bytes.writeUIntBE(length, at, 3);
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
}

function stamped(frame: Buffer, stream: number): Buffer {
  frame.writeUInt32BE(stream, 5);
  return frame;
}

/** Literals without indexing: the same bytes on every stream, whatever went before. */
function headerBlock({ path, authority, headers }: RequestSpec): Buffer {
  const METHOD_POST = 0x83;
  const SCHEME_HTTP = 0x86;
  const [AUTHORITY_NAME, PATH_NAME, CONTENT_TYPE_NAME] = [1, 4, 31] as const;
  return Buffer.concat([
    Buffer.from([METHOD_POST, SCHEME_HTTP]),
    integer(PATH_NAME, 4),
    text(path),
    integer(AUTHORITY_NAME, 4),
    text(authority),
    integer(CONTENT_TYPE_NAME, 4),
    text('application/grpc'),
    literal('te', 'trailers'),
    ...Object.entries(headers).map(([name, value]) => literal(name, value)),
  ]);
}

function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

/** Without Huffman coding. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  return Buffer.concat([integer(bytes.length, 7), bytes]);
}

/** With zeros in the bits before the prefix (RFC 7541 §5.1). */
function integer(value: number, prefixBits: number): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.from([value]);
  const bytes = [most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
