import { BmsError, inference } from '@bms/contracts';
import type { Bytes } from '@bms/transport';

/** What routing needs of an OIP ModelInferRequest. */
export interface InferRequestHead {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  readonly parameters: ReadonlyMap<string, inference.InferParameter>;
}

const NO_PARAMETERS: ReadonlyMap<string, inference.InferParameter> = new Map();

/** Field numbers of ModelInferRequest; what has another, tensors above all, is stepped over. */
const MODEL_NAME = 1;
const MODEL_VERSION = 2;
const ID = 3;
const PARAMETERS = 4;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const START_GROUP = 3;
const END_GROUP = 4;
const FIXED32 = 5;
const GROUPS_DEPTH_MAX = 100;

/**
 * Reads the head of a request without decoding, or even touching, its tensors: a walk over the outermost fields, whose
 * number does not grow with the tensors' size. As in every protobuf parser, the last of a repeated single field counts, and
 * an unknown field, or one of another wire type, is stepped over. Throws INVALID_REQUEST for what is no protobuf message.
 */
export function readInferRequestHead(message: Bytes): InferRequestHead {
  return new HeadScanner(message).scan();
}

class HeadScanner {
  private readonly bytes: Buffer;
  private at = 0;
  private modelName = '';
  private modelVersion = '';
  private id = '';
  private parameters: Map<string, inference.InferParameter> | undefined;

  constructor(message: Bytes) {
    this.bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  }

  scan(): InferRequestHead {
    while (this.at < this.bytes.length) {
      const tag = this.tag();
      const wireType = tag & 7;
      if (wireType === LENGTH_DELIMITED) this.takeField(tag >>> 3);
      else this.skip(tag, 0);
    }
    const { modelName, modelVersion, id, parameters = NO_PARAMETERS } = this;
    return { modelName, modelVersion, id, parameters };
  }

  private takeField(number: number): void {
    const start = this.at;
    const end = this.endOfLengthDelimited();
    switch (number) {
      case MODEL_NAME:
        this.modelName = this.text(end);
        break;
      case MODEL_VERSION:
        this.modelVersion = this.text(end);
        break;
      case ID:
        this.id = this.text(end);
        break;
      case PARAMETERS:
        this.takeParameter(start, end);
        break;
    }
    this.at = end;
  }

  private text(end: number): string {
    return this.bytes.toString('utf8', this.at, end);
  }

  /** A map's entry is a message of its own: the generated code reads it, framed as the only field of a request. */
  private takeParameter(start: number, end: number): void {
    const framed = Buffer.concat([Buffer.of((PARAMETERS << 3) | LENGTH_DELIMITED), this.bytes.subarray(start, end)]);
    let parsed: inference.ModelInferRequest;
    try {
      parsed = inference.ModelInferRequest.decode(framed);
    } catch {
      throw invalid(`field ${PARAMETERS} at byte ${start} is no parameter`);
    }
    this.parameters ??= new Map();
    for (const [name, value] of Object.entries(parsed.parameters)) this.parameters.set(name, value);
  }

  private skip(tag: number, depth: number): void {
    switch (tag & 7) {
      case VARINT:
        this.varint();
        break;
      case FIXED64:
        this.advance(8);
        break;
      case LENGTH_DELIMITED:
        this.at = this.endOfLengthDelimited();
        break;
      case START_GROUP:
        this.skipGroup(tag >>> 3, depth);
        break;
      case FIXED32:
        this.advance(4);
        break;
      default:
        throw invalid(`there is no wire type ${tag & 7} (byte ${this.at})`);
    }
  }

  private skipGroup(number: number, depth: number): void {
    if (depth === GROUPS_DEPTH_MAX) throw invalid(`groups are nested more than ${GROUPS_DEPTH_MAX} deep`);
    for (;;) {
      const tag = this.tag();
      if ((tag & 7) !== END_GROUP) this.skip(tag, depth + 1);
      else if (tag >>> 3 === number) return;
      else throw invalid(`a group ends that is not open (byte ${this.at})`);
    }
  }

  private tag(): number {
    const tag = this.varint();
    if (tag > 0xffff_ffff || tag >>> 3 === 0) throw invalid(`there is no such field (byte ${this.at})`);
    return tag;
  }

  private endOfLengthDelimited(): number {
    const length = this.varint();
    const end = this.at + length;
    if (end > this.bytes.length) {
      throw invalid(
        `it breaks off: a field at byte ${this.at} has ${length} bytes, and ${this.bytes.length - this.at} are left`,
      );
    }
    return end;
  }

  private advance(count: number): void {
    this.at += count;
    if (this.at > this.bytes.length) throw invalid('it breaks off within a field');
  }

  /** As a double: exact where it matters, and too large for any message otherwise. */
  private varint(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw invalid('it breaks off within a number');
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw invalid(`a number has more than 10 bytes (byte ${this.at})`);
  }
}

function invalid(why: string): BmsError {
  return BmsError.invalidRequest('message', `is not a valid ModelInferRequest: ${why}`);
}
