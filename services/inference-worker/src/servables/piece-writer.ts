import { isBytes, type Tensor } from '@bms/tensor';

/** What is copied at once: about a millisecond, fresh memory included. */
const PIECE_BYTES = 2 * 1024 * 1024;
/** What one element of a BYTES tensor costs beside its bytes, counted in bytes. */
const ELEMENT_COST_BYTES = 64;

/** Tensors that lie behind each other from a place on. */
export interface Placement {
  readonly at: number;
  readonly tensors: readonly Tensor[];
}

/** Writes tensors as they are on the wire into one buffer, in pieces, so that the thread that holds sockets is never held up. */
export class PieceWriter {
  private sinceYield = 0;

  constructor(readonly target: Buffer<ArrayBuffer>) {}

  /** undefined: it is done, since it was little; else resolves when it is. */
  writeAll(placements: readonly Placement[]): Promise<void> | undefined {
    const steps = this.steps(placements);
    return steps.next().done === true ? undefined : this.goOn(steps);
  }

  private async goOn(steps: Generator<void>): Promise<void> {
    do {
      await new Promise((resolve) => setImmediate(resolve));
    } while (steps.next().done !== true);
  }

  /** Yields where enough was written for once. */
  private *steps(placements: readonly Placement[]): Generator<void> {
    for (const { at: start, tensors } of placements) {
      let at = start;
      for (const tensor of tensors) {
        for (const data of isBytes(tensor) ? tensor.elements : [tensor.data]) {
          if (isBytes(tensor)) at = this.target.writeUInt32LE(data.byteLength, at);
          if (this.hasRoom(data)) this.put(data, at);
          else yield* this.inPieces(data, at);
          at += data.byteLength;
        }
      }
    }
  }

  private *inPieces(data: Uint8Array, start: number): Generator<void> {
    for (let from = 0; from < data.byteLength; from += PIECE_BYTES) {
      yield;
      this.sinceYield = 0;
      this.put(data.subarray(from, from + PIECE_BYTES), start + from);
    }
  }

  private hasRoom(data: Uint8Array): boolean {
    return this.sinceYield + data.byteLength <= PIECE_BYTES;
  }

  private put(data: Uint8Array, at: number): void {
    this.target.set(data, at);
    this.sinceYield += data.byteLength + ELEMENT_COST_BYTES;
  }
}
