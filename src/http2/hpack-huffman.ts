// The Huffman code of HPACK (RFC 7541 §5.2, Appendix B), decoded four bits at a time.

import { octetAt } from '../http1/octets.ts';
import { HpackError } from './hpack-error.ts';

/** How many bits the code of each octet has, and last of all that of EOS. The code is canonical: they say all of it. */
const CODE_BITS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];
const EOS = 256;
const MIN_CODE_BITS = 5;
const MAX_PADDING_BITS = 7;

/** Of an entry of STEPS: besides the node that the bits lead to, the octet whose code they end, if any. */
const EMITS = 0x1_0000;
const HOLDS_EOS = 0x2_0000;
const NOTHING: Buffer = Buffer.alloc(0);
const FIRST_OCTETS = 128;
const MAX_KEPT_OCTETS = 4096;

/** A node has two children, one for each bit: another node, or ~symbol. */
type Node = [zero: number, one: number];

const NODES = buildNodes();
/** The entry for a node and four bits is at node << 4 | bits; no code is as short as that, and so none can end twice. */
const STEPS = Int32Array.from({ length: NODES.length << 4 }, (_, at) => stepOf(at >> 4, at & 0xf));
/** 1 for the nodes that padding may end at. */
const IS_PADDING = paddingNodes();

/** Of one connection, with room for what has been decoded. */
export class HuffmanDecoder {
  #octets = NOTHING;

  /** The string in block[start, end). @throws {HpackError} */
  decode(block: Buffer, start: number, end: number): string {
    const into = this.#room((((end - start) * 8) / MIN_CODE_BITS + 1) | 0);
    let node = 0;
    let seen = 0;
    let length = 0;
    for (let at = start; at < end; at += 1) {
      const octet = octetAt(block, at);
      const high = STEPS[(node << 4) | (octet >> 4)] as number;
      into[length] = high >> 8;
      length += (high >> 16) & 1;
      const low = STEPS[((high & 0xff) << 4) | (octet & 0xf)] as number;
      into[length] = low >> 8;
      length += (low >> 16) & 1;
      seen |= high | low;
      node = low & 0xff;
    }
    if (IS_PADDING[node] !== 1 || (seen & HOLDS_EOS) !== 0) throw new HpackError('huffman-code');
    return into.toString('latin1', 0, length);
  }

  #room(octets: number): Buffer {
    if (octets <= this.#octets.length) return this.#octets;
    const room = Buffer.allocUnsafeSlow(Math.max(FIRST_OCTETS, octets));
    if (octets <= MAX_KEPT_OCTETS) this.#octets = room;
    return room;
  }
}

function buildNodes(): readonly Node[] {
  const root: Node = [0, 0];
  const nodes = [root];
  // Canonical: codes of one length follow each other in the order of their symbols, and shorter ones come first.
  const symbols = CODE_BITS.map((_, symbol) => symbol).sort((a, b) => bitsOf(a) - bitsOf(b) || a - b);
  let code = 0;
  let bits = 0;
  for (const symbol of symbols) {
    code <<= bitsOf(symbol) - bits;
    bits = bitsOf(symbol);
    let node = root;
    for (let bit = bits - 1; bit > 0; bit -= 1) node = childOf(nodes, node, (code >> bit) & 1);
    node[code & 1] = ~symbol;
    code += 1;
  }
  return nodes;
}

function childOf(nodes: Node[], parent: Node, side: number): Node {
  const known = nodes[parent[side] ?? 0];
  // The root is nobody's child: a side that still has its number has no child.
  if (known !== undefined && known !== nodes[0]) return known;
  const child: Node = [0, 0];
  parent[side] = nodes.length;
  nodes.push(child);
  return child;
}

function bitsOf(symbol: number): number {
  return CODE_BITS[symbol] ?? 0;
}

function stepOf(from: number, bits: number): number {
  let node = from;
  let flags = 0;
  for (let bit = 3; bit >= 0; bit -= 1) {
    const next = NODES[node]?.[(bits >> bit) & 1] ?? 0;
    if (next >= 0) {
      node = next;
      continue;
    }
    flags |= ~next === EOS ? HOLDS_EOS : EMITS | (~next << 8);
    node = 0;
  }
  return flags | node;
}

/** Padding is the beginning of EOS, whose bits are all ones, and less than an octet long. */
function paddingNodes(): Uint8Array {
  const nodes = new Uint8Array(NODES.length);
  let node = 0;
  for (let bits = 0; bits <= MAX_PADDING_BITS; bits += 1) {
    nodes[node] = 1;
    node = NODES[node]?.[1] ?? 0;
  }
  return nodes;
}
