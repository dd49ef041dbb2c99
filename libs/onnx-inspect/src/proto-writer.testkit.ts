const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** Writes protobuf by hand, so that specs can also write what no generated code would. */
export class ProtoWriter {
  readonly #bytes: number[] = [];

  varint(field: number, value: bigint | number): this {
    this.#tag(field, VARINT);
    return this.#varint(BigInt(value));
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  bytes(field: number, value: Uint8Array): this {
    return this.length(field, value.length).raw(value);
  }

  message(field: number, value: ProtoWriter): this {
    return this.bytes(field, value.finish());
  }

  messages(field: number, values: readonly ProtoWriter[]): this {
    for (const value of values) this.message(field, value);
    return this;
  }

  float(field: number, value: number): this {
    this.#tag(field, FIXED32);
    return this.raw(new Uint8Array(new Float32Array([value]).buffer));
  }

  fixed64(field: number, value: bigint): this {
    this.#tag(field, FIXED64);
    return this.raw(new Uint8Array(new BigInt64Array([value]).buffer));
  }

  /** The head of a length-delimited field; the content is the caller's to write, or to leave out. */
  length(field: number, sizeBytes: number | bigint): this {
    this.#tag(field, LENGTH_DELIMITED);
    return this.#varint(BigInt(sizeBytes));
  }

  raw(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #tag(field: number, wireType: number): void {
    this.#varint(BigInt((field << 3) | wireType));
  }

  #varint(value: bigint): this {
    let rest = BigInt.asUintN(64, value);
    while (rest > 0x7fn) {
      this.#bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#bytes.push(Number(rest));
    return this;
  }
}
