import type { InferResult, TensorOutput } from '@bms/sdk';

export type Outputs = Readonly<Record<string, TensorOutput>>;

/** How far a floating-point value may be from the expected one; for values over 1 a share of them. */
export const TOLERANCE = 1e-4;

/**
 * Knows what each version has to answer to each request. Of a version that it was told nothing about, the first answer to a
 * request is taken for right, and later ones have to be the same.
 */
export class AnswerCheck {
  private readonly byVersion = new Map<number, (Outputs | undefined)[]>();
  private readonly onTrust = new Set<number>();

  /** @param known what versions answer, a request each */
  constructor(known: ReadonlyMap<number, readonly Outputs[]>) {
    for (const [version, answers] of known) this.byVersion.set(version, [...answers]);
  }

  /** Versions whose first answers were taken for right. */
  get trustedVersions(): readonly number[] {
    return [...this.onTrust];
  }

  /** How the answer to request number `request` differs from the expected one; undefined when it does not. */
  difference(request: number, { version, outputs }: InferResult): string | undefined {
    let answers = this.byVersion.get(version);
    if (answers === undefined) {
      answers = [];
      this.byVersion.set(version, answers);
      this.onTrust.add(version);
    }
    const expected = answers[request];
    if (expected !== undefined) return differenceOf(expected, outputs);
    answers[request] = outputs;
    return undefined;
  }
}

/** The first difference of two answers, in words; undefined when there is none beyond {@link TOLERANCE}. */
export function differenceOf(expected: Outputs, actual: Outputs): string | undefined {
  for (const name in expected) {
    const [one, other] = [expected[name], actual[name]];
    if (one === undefined) continue;
    if (other === undefined) return `the output ${name} is missing`;
    if (one.datatype !== other.datatype) return `${name} is ${other.datatype}, not ${one.datatype}`;
    if (one.shape.length !== other.shape.length || one.shape.some((size, at) => size !== other.shape[at])) {
      return `${name} has shape [${other.shape.join(', ')}], not [${one.shape.join(', ')}]`;
    }
    const tolerance = FLOATS.has(one.datatype) ? TOLERANCE : 0;
    for (let at = 0; at < one.data.length; at++) {
      const [wanted, got] = [one.data[at], other.data[at]];
      if (!isSame(wanted, got, tolerance)) return `${name}[${at}] is ${shown(got)}, not ${shown(wanted)}`;
    }
  }
  return undefined;
}

const FLOATS: ReadonlySet<string> = new Set(['FP16', 'BF16', 'FP32', 'FP64']);

type Element = number | bigint | boolean | Uint8Array | undefined;

function isSame(wanted: Element, got: Element, tolerance: number): boolean {
  if (wanted === got) return true;
  if (typeof wanted === 'number' && typeof got === 'number') {
    if (Number.isNaN(wanted)) return Number.isNaN(got);
    return Number.isFinite(wanted) && Math.abs(wanted - got) <= tolerance * Math.max(1, Math.abs(wanted));
  }
  return wanted instanceof Uint8Array && got instanceof Uint8Array && Buffer.compare(wanted, got) === 0;
}

function shown(element: Element): string {
  return element instanceof Uint8Array ? JSON.stringify(Buffer.from(element).toString()) : String(element);
}
