/** Any JSON value. Values handed to Ambit are never mutated afterwards; values handed out must not be. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/**
 * A record's value: JSON with its text made, or parsed, only when somebody asks.
 *
 * Only the engine looks at the JSON; a backend that leaves the process stores the text as one opaque string
 * (a `jsonb` column would reorder it and refuse `\u0000`). The memory backend keeps the object and never
 * serialises.
 *
 * @example
 * ```ts
 * import { Value } from 'ambit/storage';
 * Value.of({ callsMade: 1 }).text; // '{"callsMade":1}'
 * Value.fromText('{"callsMade":1}').json; // { callsMade: 1 }
 * ```
 */
export class Value {
  #json: unknown;
  #text: string | undefined;

  private constructor(json: unknown, text: string | undefined) {
    this.#json = json;
    this.#text = text;
  }

  /** Wraps a JSON-able object; the caller promises not to change it any more. */
  static of(json: unknown): Value {
    return new Value(json, undefined);
  }

  /** Wraps text that `JSON.stringify` made. Parsed at the first look; throws `SyntaxError` then, if it is not JSON. */
  static fromText(text: string): Value {
    return new Value(undefined, text);
  }

  /** The JSON. Read only. */
  get json(): unknown {
    if (this.#json === undefined && this.#text !== undefined) {
      this.#json = JSON.parse(this.#text);
      // One of the two is enough: a cache that held both would hold half as many records.
      this.#text = undefined;
    }
    return this.#json;
  }

  /** The JSON as text, without a raw line feed or NUL in it (JSON escapes both). */
  get text(): string {
    return (this.#text ??= JSON.stringify(this.#json));
  }
}
