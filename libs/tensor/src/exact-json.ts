import { BmsError } from '@bms/contracts';

/** JSON whose whole numbers are exact: those beyond 2^53 are bigints. Objects are maps, so that no key is special. */
export type JsonValue = null | boolean | number | bigint | string | JsonArray | JsonObject;
export type JsonArray = readonly JsonValue[];
export type JsonObject = ReadonlyMap<string, JsonValue>;

/** Deeper than any tensor and what stands around it. */
const DEPTH_MAX = 100;
/** Digits beyond which a whole number fits no integer datatype; it becomes a plain number, so that length costs no time. */
const EXACT_DIGITS_MAX = 25;
/** Digits that a double always holds exactly. */
const SAFE_DIGITS = 15;
const POWERS_OF_TEN = Array.from({ length: SAFE_DIGITS + 1 }, (_, exponent) => Number(`1e${exponent}`));

const [SPACE, TAB, NEWLINE, RETURN] = [0x20, 0x09, 0x0a, 0x0d];
const [QUOTE, BACKSLASH, COMMA, COLON, MINUS, DOT] = [0x22, 0x5c, 0x2c, 0x3a, 0x2d, 0x2e];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
const [ZERO, NINE] = [0x30, 0x39];

/**
 * Parses JSON without losing digits of whole numbers, which JSON.parse does beyond 2^53 (Node 20 has no access to a value's
 * source text). Throws INVALID_REQUEST with the path and the position of what is no JSON: NaN and Infinity, too, are none,
 * and a key that is there twice is refused.
 */
export function parseExactJson(text: string): JsonValue {
  return new ExactJsonParser(text).parse();
}

/** Keys and indices as people write a path: `instances[3].name`. */
export function pathOf(keys: readonly (string | number)[]): string {
  return keys.map((key, at) => (typeof key === 'number' ? `[${key}]` : at === 0 ? key : `.${key}`)).join('');
}

class ExactJsonParser {
  #at = 0;
  /** The key or index of each container that is open, for messages. */
  readonly #path: (string | number)[] = [];

  constructor(private readonly text: string) {}

  parse(): JsonValue {
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.text.length) throw this.#wrong(`${this.#shown()} stands behind the end`);
    return value;
  }

  #value(): JsonValue {
    this.#skipSpace();
    const code = this.text.charCodeAt(this.#at);
    if ((code >= ZERO && code <= NINE) || code === MINUS) return this.#number();
    if (code === OPEN_LIST) return this.#list();
    if (code === OPEN_OBJECT) return this.#object();
    if (code === QUOTE) return this.#string();
    if (this.#take('true')) return true;
    if (this.#take('false')) return false;
    if (this.#take('null')) return null;
    const word = this.#shown();
    if (word === '"NaN"' || word === '"Infinity"')
      throw this.#wrong(`${word} is no value of JSON: send finite numbers`);
    throw this.#wrong(this.#at >= this.text.length ? 'it breaks off' : `${word} is no value`);
  }

  #list(): JsonArray {
    const list: JsonValue[] = [];
    this.#enter(0);
    if (!this.#takeClosing(CLOSE_LIST)) {
      do {
        this.#path[this.#path.length - 1] = list.length;
        list.push(this.#value());
      } while (this.#takeComma(CLOSE_LIST));
    }
    this.#path.pop();
    return list;
  }

  #object(): JsonObject {
    const object = new Map<string, JsonValue>();
    this.#enter('');
    if (!this.#takeClosing(CLOSE_OBJECT)) {
      do {
        this.#skipSpace();
        if (this.text.charCodeAt(this.#at) !== QUOTE) throw this.#wrong(`a key in quotes is due, not ${this.#shown()}`);
        const key = this.#string();
        if (object.has(key)) throw this.#wrong(`the key ${JSON.stringify(key)} is there twice`);
        this.#skipSpace();
        if (this.text.charCodeAt(this.#at) !== COLON) throw this.#wrong(`":" is due, not ${this.#shown()}`);
        this.#at++;
        this.#path[this.#path.length - 1] = key;
        object.set(key, this.#value());
      } while (this.#takeComma(CLOSE_OBJECT));
    }
    this.#path.pop();
    return object;
  }

  #string(): string {
    const start = this.#at;
    let plain = true;
    for (this.#at++; ; this.#at++) {
      const code = this.text.charCodeAt(this.#at);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        plain = false;
        this.#at++;
      } else if (!(code >= SPACE)) {
        throw this.#wrong(
          this.#at >= this.text.length ? 'it breaks off in a string' : 'a control character in a string',
        );
      }
    }
    this.#at++;
    if (plain) return this.text.slice(start + 1, this.#at - 1);
    try {
      return JSON.parse(this.text.slice(start, this.#at)) as string;
    } catch {
      this.#at = start;
      throw this.#wrong('a string has a wrong escape');
    }
  }

  /** Up to 15 digits are added up at once: a double holds them, and dividing by a power of ten up to 10^22 rounds right. */
  #number(): number | bigint {
    const start = this.#at;
    const negative = this.text.charCodeAt(start) === MINUS;
    if (negative) this.#at++;
    const first = this.#at;
    let value = this.#digits(0);
    const whole = this.#at - first;
    if (whole === 0 || (whole > 1 && this.text.charCodeAt(first) === ZERO)) throw this.#noNumber(start);
    let fraction = 0;
    if (this.text.charCodeAt(this.#at) === DOT) {
      const from = ++this.#at;
      value = this.#digits(value);
      fraction = this.#at - from;
      if (fraction === 0) throw this.#noNumber(start);
    }
    const exponent = this.#exponent(start);
    if (!exponent && whole + fraction <= SAFE_DIGITS) {
      const size = fraction === 0 ? value : value / (POWERS_OF_TEN[fraction] as number);
      return negative ? -size : size;
    }
    const literal = this.text.slice(start, this.#at);
    const near = Number(literal);
    const isExact = exponent || fraction > 0 || Number.isSafeInteger(near);
    return isExact || whole > EXACT_DIGITS_MAX ? near : BigInt(literal);
  }

  /** Adds the digits from here on to `value`, exact for 15 of them. */
  #digits(value: number): number {
    let code = this.text.charCodeAt(this.#at);
    while (code >= ZERO && code <= NINE) {
      value = value * 10 + (code - ZERO);
      code = this.text.charCodeAt(++this.#at);
    }
    return value;
  }

  /** Steps over an exponent; answers whether there was one. */
  #exponent(start: number): boolean {
    if ((this.text.charCodeAt(this.#at) | SPACE) !== 0x65) return false;
    const sign = this.text.charCodeAt(++this.#at);
    if (sign === MINUS || sign === 0x2b) this.#at++;
    const from = this.#at;
    this.#digits(0);
    if (this.#at === from) throw this.#noNumber(start);
    return true;
  }

  #takeComma(closing: number): boolean {
    this.#skipSpace();
    const code = this.text.charCodeAt(this.#at);
    if (code !== COMMA && code !== closing) {
      const due = `"," or "${String.fromCharCode(closing)}" is due`;
      throw this.#wrong(this.#at >= this.text.length ? `it breaks off: ${due}` : `${due}, not ${this.#shown()}`);
    }
    this.#at++;
    return code === COMMA;
  }

  #takeClosing(closing: number): boolean {
    this.#skipSpace();
    if (this.text.charCodeAt(this.#at) !== closing) return false;
    this.#at++;
    return true;
  }

  #take(word: string): boolean {
    if (!this.text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #enter(key: string | number): void {
    this.#at++;
    this.#path.push(key);
    if (this.#path.length > DEPTH_MAX) throw this.#wrong(`it is nested more than ${DEPTH_MAX} deep`);
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.#at);
      if (code !== SPACE && code !== NEWLINE && code !== RETURN && code !== TAB) return;
      this.#at++;
    }
  }

  #shown(): string {
    const word = /^[-+\w.]{1,40}/.exec(this.text.slice(this.#at, this.#at + 40))?.[0] ?? this.text.charAt(this.#at);
    return word === '' ? 'the end' : JSON.stringify(word);
  }

  #noNumber(start: number): BmsError {
    this.#at = start;
    return this.#wrong(`${this.#shown()} is no number of JSON: send finite decimal numbers`);
  }

  #wrong(description: string): BmsError {
    const before = this.text.slice(0, this.#at);
    const line = before.split('\n').length;
    const column = this.#at - before.lastIndexOf('\n');
    const field = this.#path.length === 0 ? 'body' : pathOf(this.#path);
    return BmsError.invalidRequest(field, `is not JSON at line ${line}, column ${column}: ${description}`);
  }
}
