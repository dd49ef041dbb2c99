const FRAME_HEADER_BYTES = 9;
const DATA_FRAME = 0;
const GRPC_PREFIX_BYTES = 5;
/** Of a TxnResponse: field 1 is the header, field 2 says `succeeded`. */
const HEADER_FIELD = 0x0a;
const SUCCEEDED = [0x10, 0x01];

/** Whether a chunk from etcd, over plain HTTP/2, holds the answer to a transaction that was carried out. */
export function answersTransaction(chunk: Buffer): boolean {
  for (let at = 0; at + FRAME_HEADER_BYTES <= chunk.length; ) {
    const length = chunk.readUIntBE(at, 3);
    const message = chunk.subarray(at + FRAME_HEADER_BYTES + GRPC_PREFIX_BYTES, at + FRAME_HEADER_BYTES + length);
    if (chunk[at + 3] === DATA_FRAME && message[0] === HEADER_FIELD) {
      const behindHeader = 2 + (message[1] ?? 0);
      if (SUCCEEDED.every((byte, i) => message[behindHeader + i] === byte)) return true;
    }
    at += FRAME_HEADER_BYTES + length;
  }
  return false;
}
