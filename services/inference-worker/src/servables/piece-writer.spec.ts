import type { Tensor } from '@bms/tensor';
import { PieceWriter } from './piece-writer';

const MIB = 2 ** 20;

function bytesOf(size: number, value: number): Tensor {
  return { name: 'x', datatype: 'UINT8', shape: [size], data: new Uint8Array(size).fill(value) };
}

describe('PieceWriter', () => {
  it('writes a little at once', () => {
    const writer = new PieceWriter(Buffer.allocUnsafeSlow(6));
    const texts: Tensor = { name: 's', datatype: 'BYTES', shape: [1], elements: [new Uint8Array([7])] };
    const written = writer.writeAll([
      { at: 0, tensors: [texts] },
      { at: 5, tensors: [bytesOf(1, 9)] },
    ]);
    expect(written).toBeUndefined();
    expect([...writer.target]).toEqual([1, 0, 0, 0, 7, 9]);
  });

  it('lets the event loop turn while it writes much, and writes all of it', async () => {
    const writer = new PieceWriter(Buffer.allocUnsafeSlow(21 * MIB));
    let turns = 0;
    const count = (): void => {
      turns++;
      turning = setImmediate(count);
    };
    let turning = setImmediate(count);
    const [small, large] = [bytesOf(MIB, 1), bytesOf(20 * MIB, 2)];
    await writer.writeAll([{ at: 0, tensors: [small, large] }]);
    clearImmediate(turning);
    expect(turns).toBeGreaterThanOrEqual(9);
    const whole = Buffer.concat([Buffer.alloc(MIB, 1), Buffer.alloc(20 * MIB, 2)]);
    expect(writer.target.equals(whole)).toBe(true);
  });

  it('lets the event loop turn while it writes many elements', async () => {
    const elements = Array.from({ length: 100_000 }, () => new Uint8Array([5]));
    const texts: Tensor = { name: 's', datatype: 'BYTES', shape: [elements.length], elements };
    const writer = new PieceWriter(Buffer.alloc(5 * elements.length));
    const written = writer.writeAll([{ at: 0, tensors: [texts] }]);
    expect(written).toBeInstanceOf(Promise);
    await written;
    expect([...writer.target.subarray(-5)]).toEqual([1, 0, 0, 0, 5]);
  });
});
