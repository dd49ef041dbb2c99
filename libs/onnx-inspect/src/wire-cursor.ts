import type { ByteSource } from './byte-source';
import { invalidModel } from './invalid-model';

/** One field of a protobuf message. */
export interface WireField {
  readonly number: number;
  readonly wireType: number;
  /** A varint's value as an int64; beyond 2^53 it is only near. Of other wire types: 0. */
  readonly value: number;
  /** Where the content begins and ends in the source. */
  readonly start: number;
  readonly end: number;
}

/** Takes one field; what it does not read of the content is skipped. */
export type FieldVisitor = (field: WireField) => Promise<void> | void;

export const VARINT = 0;
const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

const WINDOW_BYTES = 64 * 1024;
const VARINT_MAX_BYTES = 10;
/** A field's head is a tag and a length or a varint. */
const HEAD_BYTES = 2 * VARINT_MAX_BYTES;
/** Far beyond real models (a million nodes have some 20 million fields): a file of this kind only costs time. */
const FIELDS_MAX = 100_000_000;
/** All names and texts of a model together, which bounds the memory that inspecting takes. */
const TEXT_BYTES_MAX = 64 * 2 ** 20;

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Walks over protobuf messages in a {@link ByteSource} of any size. Content that nobody asks for is skipped by seeking, so
 * that memory stays within one window plus the texts that were read. Everything malformed throws INVALID_MODEL.
 */
export class WireCursor {
  #window: Uint8Array = new Uint8Array();
  #windowStart = 0;
  #position = 0;
  #fields = 0;
  #textBytes = 0;

  constructor(
    private readonly source: ByteSource,
    private readonly signal: AbortSignal,
  ) {}

  /** Visits the fields of the message that lies from `start` to `end`, in their order. */
  async walk(start: number, end: number, visit: FieldVisitor): Promise<void> {
    this.#position = start;
    while (this.#position < end) {
      const needed = Math.min(HEAD_BYTES, end - this.#position);
      if (!this.#holds(this.#position, needed)) await this.#fill(needed);
      const field = this.#head(end);
      const pending = visit(field);
      if (pending !== undefined) await pending;
      this.#position = field.end;
    }
  }

  /** A length-delimited field as a nested message. */
  message(field: WireField, visit: FieldVisitor): Promise<void> {
    expectWireType(field, LENGTH_DELIMITED);
    return this.walk(field.start, field.end, visit);
  }

  /** A length-delimited field as text. Throws INVALID_MODEL when it is over `maxBytes` or not UTF-8; `what` names it. */
  async text(field: WireField, what: string, maxBytes = 64 * 1024): Promise<string> {
    const sizeBytes = field.end - field.start;
    if (sizeBytes > maxBytes) throw invalidModel(`${what} has ${sizeBytes} bytes: at most ${maxBytes} are allowed`);
    const bytes = await this.bytes(field);
    try {
      return strictText.decode(bytes);
    } catch {
      throw invalidModel(`${what} is not UTF-8`);
    }
  }

  /** The content of a length-delimited field. Callers bound its size. */
  async bytes(field: WireField): Promise<Uint8Array> {
    expectWireType(field, LENGTH_DELIMITED);
    const sizeBytes = field.end - field.start;
    this.#textBytes += sizeBytes;
    if (this.#textBytes > TEXT_BYTES_MAX) throw invalidModel(`its names and texts have over ${TEXT_BYTES_MAX} bytes`);
    if (this.#holds(field.start, sizeBytes)) {
      return this.#window.slice(field.start - this.#windowStart, field.end - this.#windowStart);
    }
    this.signal.throwIfAborted();
    const bytes = await this.source.read(field.start, sizeBytes);
    if (bytes.byteLength < sizeBytes) throw this.#brokenOff(field.start, sizeBytes);
    return bytes;
  }

  /** A packed field of at most `maxValues` varints, as int64s. */
  async packedVarints(field: WireField, maxValues: number): Promise<number[]> {
    expectWireType(field, LENGTH_DELIMITED);
    const sizeBytes = field.end - field.start;
    if (sizeBytes > maxValues * VARINT_MAX_BYTES) throw damaged(field.start);
    this.#position = field.start;
    if (!this.#holds(field.start, sizeBytes)) await this.#fill(sizeBytes);
    const values: number[] = [];
    while (this.#position < field.end) values.push(this.#varint(field.end));
    return values;
  }

  #holds(start: number, sizeBytes: number): boolean {
    return start >= this.#windowStart && start + sizeBytes <= this.#windowStart + this.#window.byteLength;
  }

  async #fill(neededBytes: number): Promise<void> {
    this.signal.throwIfAborted();
    this.#window = await this.source.read(this.#position, WINDOW_BYTES);
    this.#windowStart = this.#position;
    if (this.#window.byteLength < neededBytes) throw this.#brokenOff(this.#position, neededBytes);
  }

  /** Reads a field's tag and, by its wire type, its value or where its content ends. The window holds them. */
  #head(messageEnd: number): WireField {
    if (++this.#fields > FIELDS_MAX) throw invalidModel(`it has over ${FIELDS_MAX} fields`);
    const at = this.#position;
    const tag = this.#varint(messageEnd);
    const number = Math.floor(tag / 8);
    const wireType = tag & 7;
    if (number < 1 || number >= 2 ** 29) throw damaged(at);
    let value = 0;
    let start = this.#position;
    let end = start;
    if (wireType === VARINT) {
      value = this.#varint(messageEnd);
      end = this.#position;
    } else if (wireType === FIXED64) end = start + 8;
    else if (wireType === FIXED32) end = start + 4;
    else if (wireType === LENGTH_DELIMITED) {
      const sizeBytes = this.#varint(messageEnd);
      if (sizeBytes < 0) throw damaged(at);
      start = this.#position;
      end = start + sizeBytes;
    } else throw damaged(at);
    if (end > messageEnd)
      throw messageEnd === this.source.sizeBytes ? this.#brokenOff(start, end - start) : damaged(at);
    return { number, wireType, value, start, end };
  }

  /** A varint as an int64. Steps behind it. */
  #varint(messageEnd: number): number {
    const from = this.#position;
    let low = 0;
    let high = 0;
    for (let length = 0; length < VARINT_MAX_BYTES; length++) {
      const byte = this.#position < messageEnd ? this.#window[this.#position - this.#windowStart] : undefined;
      if (byte === undefined)
        throw messageEnd === this.source.sizeBytes ? this.#brokenOff(from, length + 1) : damaged(from);
      this.#position++;
      const bits = byte & 0x7f;
      if (length < 4) low += bits * 2 ** (7 * length);
      else if (length < 9) high += bits * 2 ** (7 * (length - 4));
      else high += (bits & 1) * 2 ** 35;
      if (byte < 0x80) {
        // high holds the bits from 28 on, so that its bit 35 is the sign of an int64
        return high >= 2 ** 35 ? (high - 2 ** 36) * 2 ** 28 + low : high * 2 ** 28 + low;
      }
    }
    throw damaged(from);
  }

  #brokenOff(start: number, sizeBytes: number): Error {
    return invalidModel(
      `it breaks off: ${sizeBytes} bytes are due at byte ${start}, but it has only ${this.source.sizeBytes} (was it copied whole?)`,
    );
  }
}

/** Throws INVALID_MODEL when a field that ONNX knows is not written as ONNX writes it. */
export function expectWireType(field: WireField, wireType: number): void {
  if (field.wireType !== wireType) throw damaged(field.start);
}

function damaged(at: number): Error {
  return invalidModel(`it is no ONNX model, or a damaged one: what stands at byte ${at} is not what ONNX writes`);
}
