// Strict JSON (section 2). JSON.parse keeps the last of two members of one name and rounds large numbers without
// a word, so that a digest would be of something that was not sent.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };

/** Text, signature or receipt is not what the protocol allows. */
export class Refused extends Error {}

const NESTING_MAX = 128;
const ENDS: Record<string, string> = { "{": "}", "[": "]" };

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  whole(): Json {
    const value = this.value(0);
    this.space();
    if (this.at !== this.text.length) throw new Refused("text after the value");
    return value;
  }

  private space(): void {
    while (this.at < this.text.length && " \t\n\r".includes(this.text[this.at]!)) this.at += 1;
  }

  /** What the pattern finds here, which is then read. */
  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  private value(depth: number): Json {
    if (depth > NESTING_MAX) throw new Refused("nested too deep");
    this.space();
    const first = this.text[this.at];
    if (first === "{") return this.object(depth);
    if (first === "[") return this.list("[", () => this.value(depth + 1));
    if (first === '"') return this.string();
    const word = this.take(/true|false|null/y);
    if (word !== undefined) return JSON.parse(word);
    return this.integer();
  }

  private object(depth: number): JsonObject {
    const members = new Map<string, Json>();
    this.list("{", () => {
      this.space();
      const name = this.string();
      this.space();
      if (this.take(/:/y) === undefined) throw new Refused("no value of a member");
      if (members.has(name)) throw new Refused("a member stands twice");
      members.set(name, this.value(depth + 1));
      return name;
    });
    return Object.fromEntries(members); // __proto__ is a member like any other
  }

  private list<T>(begin: string, item: () => T): T[] {
    const end = ENDS[begin]!;
    this.at += 1;
    const items: T[] = [];
    this.space();
    if (this.text[this.at] === end) {
      this.at += 1;
      return items;
    }
    for (;;) {
      items.push(item());
      this.space();
      const next = this.text[this.at];
      this.at += 1;
      if (next === end) return items;
      if (next !== ",") throw new Refused("no comma and no end");
    }
  }

  private string(): string {
    const written = this.take(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
    if (written === undefined) throw new Refused("not a string");
    const text: string = JSON.parse(written);
    if (/\p{Surrogate}/u.test(text)) throw new Refused("half a surrogate pair");
    return text;
  }

  private integer(): number {
    const written = this.take(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y);
    if (written === undefined) throw new Refused("not a value");
    const number = Number(written);
    if (!/^-?[0-9]+$/.test(written) || written === "-0" || !Number.isSafeInteger(number)) {
      throw new Refused("a number that is no integer within range");
    }
    return number;
  }
}

/** The JSON object as received. Digests are of this value, unknown members included, and of no other. */
export function read(data: Uint8Array): JsonObject {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new Refused("not UTF-8");
  }
  const value = new Reader(text).whole();
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Refused("not an object");
  return value;
}
