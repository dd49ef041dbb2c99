import { CODES, CODE_BITS, END_OF_STRING } from './huffman-code';

/**
 * The code as a tree of 256-way nodes: each step looks up the next 8 bits. An entry is either a symbol, with how many
 * of the 8 bits it used, or (from `NODE` on) the node that goes on behind them.
 */
const STEP_BITS = 8;
const NODE = 0x8000;
/** Nothing legal goes on here. */
const DEAD = 0xffff;
const TREE = buildTree();

/**
 * Decodes the Huffman-coded octets of `from` between `start` and `end` into `into`, which must hold
 * {@link decodedBytesAtMost} of their count.
 *
 * @returns how many octets they are; -1 where the coding is broken: END_OF_STRING, a code that is cut off, or padding
 * that is not the first bits of END_OF_STRING, or 8 of them or more (RFC 7541 §5.2)
 */
export function decodeHuffman(from: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let length = 0;
  let node = 0;
  let bits = 0;
  let unread = 0;
  for (let at = start; at < end; at++) {
    bits = ((bits & 0xff) << 8) | (from[at] as number);
    unread += 8;
    while (unread >= STEP_BITS) {
      const entry = TREE[node | ((bits >>> (unread - STEP_BITS)) & 0xff)] as number;
      if (entry < NODE) {
        into[length++] = entry >>> 4;
        unread -= entry & 0xf;
        node = 0;
      } else {
        if (entry === DEAD) return -1;
        node = (entry - NODE) << STEP_BITS;
        unread -= STEP_BITS;
      }
    }
  }
  return decodeLastBits(bits & ((1 << unread) - 1), unread, node, into, length);
}

/** The last bits are too few for a step: they are filled up with ones, as what is behind them is padding at most. */
function decodeLastBits(bits: number, unread: number, node: number, into: Uint8Array, length: number): number {
  while (unread > 0) {
    const entry = TREE[node | (bits << (STEP_BITS - unread)) | (0xff >>> unread)] as number;
    if (entry >= NODE || (entry & 0xf) > unread) break;
    into[length++] = entry >>> 4;
    unread -= entry & 0xf;
    bits &= (1 << unread) - 1;
    node = 0;
  }
  return node === 0 && bits === (1 << unread) - 1 ? length : -1;
}

/** The shortest code has 5 bits. */
export function decodedBytesAtMost(codedBytes: number): number {
  return Math.ceil((codedBytes * 8) / 5);
}

function buildTree(): Uint16Array {
  const nodes = [emptyNode()];
  CODE_BITS.forEach((codeBits, symbol) => {
    const code = CODES[symbol] as number;
    let node = nodes[0] as Uint16Array;
    let left = codeBits;
    for (; left > STEP_BITS; left -= STEP_BITS) {
      const step = (code >>> (left - STEP_BITS)) & 0xff;
      if (node[step] === DEAD) node[step] = NODE + nodes.push(emptyNode()) - 1;
      node = nodes[(node[step] as number) - NODE] as Uint16Array;
    }
    const first = (code << (STEP_BITS - left)) & 0xff;
    const entry = symbol === END_OF_STRING ? DEAD : (symbol << 4) | left;
    node.fill(entry, first, first + (1 << (STEP_BITS - left)));
  });
  return Uint16Array.from(nodes.flatMap((node) => [...node]));
}

function emptyNode(): Uint16Array {
  return new Uint16Array(1 << STEP_BITS).fill(DEAD);
}
