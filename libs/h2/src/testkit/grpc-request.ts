/** What a gRPC call starts with, in an order and with names that every server takes. Entries of `more` come after it. */
export function callFields(path: string, more: readonly string[] = []): readonly string[] {
  return [
    ':method',
    'POST',
    ':scheme',
    'http',
    ':path',
    path,
    ':authority',
    'localhost',
    'te',
    'trailers',
    'content-type',
    'application/grpc',
    ...more,
  ];
}

/**
 * A gRPC message: flag, length, content.
 * @param lengthBytes what it says of itself; the content's length by default
 */
export function grpcMessage(content: Uint8Array | string, compressed = 0, lengthBytes?: number): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed, 0);
  head.writeUInt32BE(lengthBytes ?? bytes.byteLength, 1);
  return Buffer.concat([head, bytes]);
}

/** The messages in what DATA frames have brought. Throws when the last one is not whole. */
export function grpcMessages(data: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < data.length; ) {
    const lengthBytes = data.readUInt32BE(at + 1);
    if (at + 5 + lengthBytes > data.length) throw new Error(`a message of ${lengthBytes} bytes is cut off`);
    messages.push(data.subarray(at + 5, at + 5 + lengthBytes));
    at += 5 + lengthBytes;
  }
  return messages;
}

/** The value of a field in a flat list; undefined where it is missing. */
export function fieldOf(fields: readonly string[] | undefined, name: string): string | undefined {
  if (fields === undefined) return undefined;
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
  return undefined;
}
