/**
 * Reads unit files by the rules of systemd.syntax(7) and systemd.service(5), strictly: whatever it
 * does not know, such as a specifier or a variable, is an error.
 */
import assert from "node:assert/strict";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** A unit file: the values of each key, by section. */
export class UnitFile {
  readonly #values = new Map<string, string[]>();

  constructor(text: string) {
    let section = "";
    for (const line of text.split("\n")) {
      if (line === "" || line.startsWith("#") || line.startsWith(";")) continue;
      assert.ok(!line.endsWith("\\"), `${line} goes on in the next line`);
      const header = /^\[(\w+)\]$/.exec(line);
      if (header !== null) {
        section = header[1]!;
        continue;
      }
      const equals = line.indexOf("=");
      assert.ok(section !== "" && equals > 0, `${line} is no assignment`);
      const key = `${section}.${line.slice(0, equals)}`;
      this.#values.set(key, [...this.#values.get(key) ?? [], line.slice(equals + 1).trim()]);
    }
  }

  /** Every value of a key, `Section.Key`. */
  all(key: string): string[] {
    return this.#values.get(key) ?? [];
  }

  /** The only value of a key. */
  one(key: string): string {
    const values = this.all(key);
    assert.equal(values.length, 1, `${key} is there ${values.length} times`);
    return values[0]!;
  }

  /** The program and the arguments that systemd would execute. */
  get command(): string[] {
    return commandWords(this.one("Service.ExecStart"));
  }

  /** The variables that systemd would set. */
  get environment(): Record<string, string> {
    const assignments = this.all("Service.Environment").flatMap(splitWords).map(withoutSpecifiers);
    return Object.fromEntries(assignments.map((text) => {
      const equals = text.indexOf("=");
      assert.ok(equals > 0, text);
      return [text.slice(0, equals), text.slice(equals + 1)];
    }));
  }

  /** Where systemd would start it. */
  get folder(): string {
    return withoutSpecifiers(this.one("Service.WorkingDirectory"));
  }
}

/** The words of a value of `ExecStart=`. */
export function commandWords(line: string): string[] {
  const [program = "", ...words] = splitWords(line).map(withoutSpecifiers);
  assert.match(program, /^\//, "no prefix such as @ or -");
  return [program, ...words.map(withoutVariables)];
}

function withoutSpecifiers(text: string): string {
  return text.replace(/%(.?)/gsu, (all, next) => {
    assert.equal(next, "%", `${all} in ${text} is a specifier`);
    return "%";
  });
}

function withoutVariables(text: string): string {
  return text.replace(/\$(.?)/gsu, (all, next) => {
    // A dollar that begins no name is left as it is, but we do not count on it.
    assert.equal(next, "$", `${all} in ${text} is a variable`);
    return "$";
  });
}

/** Splits at blanks, and takes away quotes and C escapes. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let bytes: number[] | undefined;
  let quote: string | undefined;
  const push = (text: string) => (bytes ??= []).push(...encoder.encode(text));
  const end = () => {
    if (bytes !== undefined) words.push(decoder.decode(Uint8Array.from(bytes)));
    bytes = undefined;
  };
  const characters = [...line];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!;
    if (character === "\\") {
      const { text, byte, length } = unescape(characters.slice(i + 1, i + 4).join(""));
      if (byte === undefined) push(text);
      else (bytes ??= []).push(byte);
      i += length;
    } else if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else push(character);
    } else if (character === '"' || character === "'") {
      quote = character;
      bytes ??= [];
    } else if (/[ \t\n\r]/.test(character)) end();
    else {
      assert.ok(
        character !== ";" || bytes !== undefined || !/^[ \t]?$/.test(characters[i + 1] ?? ""),
        "a command ends here",
      );
      push(character);
    }
  }
  assert.equal(quote, undefined, `a quote is open in ${line}`);
  end();
  return words;
}

const ESCAPES: Record<string, string> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  s: " ",
  "\\": "\\",
  '"': '"',
  "'": "'",
};

/** What follows a backslash, and how long it is. */
function unescape(rest: string): { text: string; byte?: number; length: number } {
  const hex = /^x([0-9a-fA-F]{2})/.exec(rest);
  if (hex !== null) {
    const byte = parseInt(hex[1]!, 16);
    assert.notEqual(byte, 0, "no NUL");
    return { text: "", byte, length: 3 };
  }
  const text = ESCAPES[rest[0] ?? ""];
  assert.ok(text !== undefined, `\\${rest} is no escape`);
  return { text, length: 1 };
}
