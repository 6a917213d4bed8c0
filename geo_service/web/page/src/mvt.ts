// A vector tile as bytes (Mapbox Vector Tile 2.1): everything it holds stays as it came, each feature is told one thing more.
//
// A feature's tags may stand in several pieces (protocol buffers join them), so nothing that is there is written anew:
// the new piece goes behind each feature, the new keys and values behind those of the layer.

export type Properties = Record<string, string | number>;

// Field number and wire type of protocol buffers, as one byte.
const LAYER = 0x1a;
const FEATURE = 0x12;
const KEY = 0x1a;
const VALUE = 0x22;
const FEATURE_ID = 0x08;
const FEATURE_TAGS = 0x12;
const STRING_VALUE = 0x0a;
const UINT_VALUE = 0x28;

/** A tile of one layer, or of none (no bytes). */
export class GeometryTile {
  readonly ids: number[] = []; // of the features, in their order
  readonly size: number; // [bytes]
  private readonly features: Uint8Array[] = [];
  private readonly rest: Uint8Array[] = []; // name, keys, values, extent, version, each as it came
  private keys = 0;
  private values = 0;
  private rows: Map<number, number> | undefined;

  constructor(bytes: Uint8Array) {
    this.size = bytes.length;
    const at = new Cursor(bytes);
    while (!at.isAtEnd()) {
      const tag = at.number();
      if (tag === LAYER) this.readLayer(at.message());
      else at.skip(tag);
    }
  }

  /** Where a feature stands, undefined where it is not in the tile. */
  rowOf(id: number): number | undefined {
    this.rows ??= new Map(this.ids.map((known, row) => [known, row]));
    return this.rows.get(id);
  }

  /** The bytes of the tile in which each feature also has the properties said of its class. */
  told(classes: ArrayLike<number>, said: (code: number) => Properties): Uint8Array<ArrayBuffer> {
    const words = new Words(this.keys, this.values);
    const tags = new Map<number, Uint8Array>();
    const parts = [...this.rest];
    this.features.forEach((feature, row) => {
      const code = classes[row] as number;
      if (!tags.has(code)) tags.set(code, words.tags(said(code)));
      const more = tags.get(code) as Uint8Array;
      parts.push(bytesOf(FEATURE, ...varint(feature.length + more.length)), feature, more);
    });
    const layer = joined([...parts, ...words.written]);
    return joined([bytesOf(LAYER, ...varint(layer.length)), layer]);
  }

  private readLayer(at: Cursor): void {
    while (!at.isAtEnd()) {
      const from = at.pos;
      const tag = at.number();
      if (tag === FEATURE) {
        const feature = at.message();
        this.features.push(feature.bytes);
        this.ids.push(idOf(feature));
        continue;
      }
      if (tag === KEY) this.keys++;
      if (tag === VALUE) this.values++;
      at.skip(tag);
      this.rest.push(at.bytes.subarray(from, at.pos));
    }
  }
}

function idOf(at: Cursor): number {
  while (!at.isAtEnd()) {
    const tag = at.number();
    if (tag === FEATURE_ID) return at.number();
    at.skip(tag);
  }
  return NaN;
}

/** Keys and values that a layer gets on top of those it has. */
class Words {
  readonly written: Uint8Array[] = [];
  private readonly known = new Map<string, number>();

  constructor(
    private keys: number,
    private values: number,
  ) {}

  /** The tags of a feature that has some properties. */
  tags(properties: Properties): Uint8Array {
    const pairs = Object.entries(properties).flatMap(([key, value]) => [...varint(this.key(key)), ...varint(this.value(value))]);
    return pairs.length ? bytesOf(FEATURE_TAGS, ...varint(pairs.length), ...pairs) : bytesOf();
  }

  private key(name: string): number {
    const text = new TextEncoder().encode(name);
    return this.numberOf(`key ${name}`, () => this.keys++, [KEY, ...varint(text.length), ...text]);
  }

  private value(value: string | number): number {
    const text = typeof value === "string" ? new TextEncoder().encode(value) : null;
    const content = text ? [STRING_VALUE, ...varint(text.length), ...text] : [UINT_VALUE, ...varint(Number(value))];
    return this.numberOf(`value ${typeof value} ${value}`, () => this.values++, [VALUE, ...varint(content.length), ...content]);
  }

  private numberOf(word: string, next: () => number, content: number[]): number {
    const before = this.known.get(word);
    if (before !== undefined) return before;
    const number = next();
    this.known.set(word, number);
    this.written.push(bytesOf(...content));
    return number;
  }
}

class Cursor {
  pos = 0;

  constructor(readonly bytes: Uint8Array) {}

  isAtEnd(): boolean {
    return this.pos >= this.bytes.length;
  }

  /** A number of up to 53 bits: feature ids go beyond the 32 that shifting could take. */
  number(): number {
    let [value, weight] = [0, 1];
    for (;;) {
      const byte = this.bytes[this.pos++];
      if (byte === undefined) throw new Error("a vector tile ends in the middle of a number");
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) return value;
      weight *= 128;
    }
  }

  message(): Cursor {
    const length = this.number();
    this.pos += length;
    if (this.pos > this.bytes.length) throw new Error("a vector tile is shorter than it says");
    return new Cursor(this.bytes.subarray(this.pos - length, this.pos));
  }

  skip(tag: number): void {
    const wire = tag & 7;
    if (wire === 0) this.number();
    else if (wire === 2) this.message();
    else if (wire === 1 || wire === 5) this.pos += wire === 1 ? 8 : 4;
    else throw new Error(`a vector tile holds the unknown wire type ${wire}`);
  }
}

function varint(number: number): number[] {
  const bytes: number[] = [];
  for (; number >= 128; number = Math.floor(number / 128)) bytes.push((number % 128) | 0x80);
  return [...bytes, number];
}

function bytesOf(...bytes: number[]): Uint8Array {
  return Uint8Array.from(bytes);
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
