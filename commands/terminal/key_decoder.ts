/**
 * What was typed, from the bytes that a terminal sends: characters as they are, other keys by their
 * name. Bytes may arrive in pieces.
 */

/** One character, or the name of a key, which is longer. */
export type Key = string;

const NAMES: Readonly<Record<string, Key>> = {
  "\r": "Enter",
  "\n": "Enter",
  "\t": "Tab",
  "\x7f": "Backspace",
  "\b": "Backspace",
  "\x15": "Ctrl-U",
  "\x17": "Ctrl-W",
  "\x0c": "Ctrl-L",
};

/** What follows `ESC [` or `ESC O`. */
const SEQUENCES: Readonly<Record<string, Key>> = {
  "A": "Up",
  "B": "Down",
  "C": "Right",
  "D": "Left",
  "H": "Home",
  "F": "End",
  "Z": "Tab",
  "1~": "Home",
  "4~": "End",
  "5~": "PageUp",
  "6~": "PageDown",
  "7~": "Home",
  "8~": "End",
};

const ESCAPE = "\x1b";
// deno-lint-ignore no-control-regex -- what terminals send
const SEQUENCE = /^\x1b(?:\[([0-9;:<=>?]*[ -/]*[@-~])|O([ -~]))/;
// deno-lint-ignore no-control-regex -- the beginning of what terminals send
const BEGUN = /^\x1b(?:\[[0-9;:<=>?]*[ -/]*|O)?$/;
/** Around what was pasted (bracketed paste): that is not typed, so it is no key. */
const [PASTE, PASTED] = ["\x1b[200~", "\x1b[201~"];
/** More than this of a sequence that does not end is no sequence. */
const LONGEST_SEQUENCE = 64;
/** Of more than this at once only the end is kept: nobody pastes a filter of that length. */
const LONGEST_PASTE = 64 * 1024;

/** Turns bytes into keys. */
export class KeyDecoder {
  readonly #decoder = new TextDecoder();
  #rest = "";
  #pasting = false;

  /** Something has begun whose end has not come, such as Escape, which also begins other keys. */
  get pending(): boolean {
    return this.#rest !== "";
  }

  /** The keys in the next bytes. */
  feed(bytes: Uint8Array): Key[] {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const keys: Key[] = [];
    while (this.#rest !== "") {
      const length = this.#next(keys);
      if (length === 0) break;
      this.#rest = this.#rest.slice(length);
    }
    return keys;
  }

  /** Nothing followed: what has begun is all there is. */
  flush(): Key[] {
    const rest = this.#rest;
    this.#rest = "";
    return rest === ESCAPE ? ["Escape"] : [];
  }

  /** Takes the next key; returns how much of the rest it was, 0 if its end has not come. */
  #next(keys: Key[]): number {
    const rest = this.#rest;
    if (this.#pasting) return this.#pasted(keys);
    if (rest.startsWith(PASTE)) {
      this.#pasting = true;
      return PASTE.length;
    }
    if (rest.startsWith(ESCAPE)) {
      const found = SEQUENCE.exec(rest);
      if (found) {
        const key = SEQUENCES[found[1] ?? found[2] ?? ""];
        if (key !== undefined) keys.push(key);
        return found[0].length;
      }
      if (BEGUN.test(rest) && rest.length < LONGEST_SEQUENCE) return 0;
      keys.push("Escape");
      return 1;
    }
    const [character = ""] = rest;
    const key = NAMES[character] ?? (character < " " ? undefined : character);
    if (key !== undefined) keys.push(key);
    return character.length;
  }

  /** What was pasted is one key named `Paste`, then a space and the text. */
  #pasted(keys: Key[]): number {
    const end = this.#rest.indexOf(PASTED);
    if (end < 0) {
      if (this.#rest.length > LONGEST_PASTE) this.#rest = this.#rest.slice(-PASTED.length);
      return 0;
    }
    this.#pasting = false;
    keys.push(`Paste ${this.#rest.slice(0, end)}`);
    return end + PASTED.length;
  }
}
