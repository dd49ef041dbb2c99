import { CODES, CODE_BITS, END_OF_STRING } from './huffman-code';

/*
 * The code is a binary tree with 256 inner nodes. While decoding, the state is the node that the bits so far have led
 * to, the root (0) being the end of a code. A step takes a whole octet. By state and octet, STEPS says in one number
 * (256 KiB in all) the next state (bits 24–31), whether the octet leads to END_OF_STRING (bit 18), how many symbols
 * end in it (bits 16 and 17; two at most, as the shortest code has 5 bits), the second (bits 8–15) and the first.
 */
const STATES = 256;
const ENDS_STRING = 1 << 18;
const STEPS = buildSteps();
/** The states in which a string may end: all since the last symbol is ones, and fewer than 8 (RFC 7541 §5.2). */
const PADDED = paddedStates();

/**
 * Decodes the Huffman-coded octets of `from` between `start` and `end` into `into`, which must hold
 * {@link decodedBytesAtMost} of their count.
 *
 * @returns how many octets they are; -1 where the coding is broken: END_OF_STRING, a code that is cut off, or padding
 * that is too long or not all ones
 */
export function decodeHuffman(from: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let state = 0;
  let length = 0;
  let flags = 0;
  for (let at = start; at < end; at++) {
    const step = STEPS[(state << 8) | (from[at] as number)] as number;
    // Both are written whether they are there or not: to ask would take longer.
    into[length] = step;
    into[length + 1] = step >>> 8;
    length += (step >>> 16) & 3;
    flags |= step;
    state = step >>> 24;
  }
  return (flags & ENDS_STRING) === 0 && PADDED.has(state) ? length : -1;
}

/** The shortest code has 5 bits; two octets more are written over. */
export function decodedBytesAtMost(codedBytes: number): number {
  return Math.ceil((codedBytes * 8) / 5) + 2;
}

/** What the bits 0 and 1 lead to from node n, at 2n and 2n + 1: an inner node, or a symbol, as -1 - symbol. */
function buildTree(): Int16Array {
  const tree = new Int16Array(2 * CODES.length);
  let nodes = 1;
  CODES.forEach((code, symbol) => {
    let node = 0;
    for (let left = (CODE_BITS[symbol] as number) - 1; left >= 0; left--) {
      const branch = 2 * node + ((code >>> left) & 1);
      if (left === 0) tree[branch] = -1 - symbol;
      else if (tree[branch] === 0) tree[branch] = nodes++;
      node = tree[branch] as number;
    }
  });
  return tree;
}

/** Begins with the steps by no bit, one a state, and makes those by one bit more of them, up to an octet. */
function buildSteps(): Uint32Array {
  const tree = buildTree();
  let steps = new Uint32Array(STATES);
  for (let state = 0; state < STATES; state++) steps[state] = state << 24;
  while (steps.length < STATES << 8) {
    const longer = new Uint32Array(2 * steps.length);
    for (let at = 0; at < longer.length; at++) longer[at] = addBit(tree, steps[at >>> 1] as number, at & 1);
    steps = longer;
  }
  return steps;
}

function addBit(tree: Int16Array, step: number, bit: number): number {
  const next = tree[2 * (step >>> 24) + bit] as number;
  if ((step & ENDS_STRING) !== 0 || next === -1 - END_OF_STRING) return ENDS_STRING;
  const found = step & 0xff_ffff;
  if (next >= 0) return (next << 24) | found;
  const count = found >>> 16;
  return ((count + 1) << 16) | (found & 0xff) | ((-1 - next) << (8 * count));
}

function paddedStates(): ReadonlySet<number> {
  const tree = buildTree();
  const states = new Set([0]);
  for (let state = 0; states.size < 8; states.add(state)) state = tree[2 * state + 1] as number;
  return states;
}
