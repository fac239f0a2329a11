/**
 * The syntax of systemd's unit files (systemd.syntax(7), systemd.service(5)): every word arrives as
 * it was given, whatever is in it.
 *
 * Three layers are undone by systemd, in this order: quotes and C escapes, `%` specifiers, and, in
 * a command line but its first word, `$` variables.
 */
import { InvalidArgumentError } from "../../core/base/errors.ts";

/** Words that need no quotes. */
const PLAIN = /^[A-Za-z0-9/._-][A-Za-z0-9/._:,=@+-]*$/;

/**
 * What a unit file cannot hold as it is: control characters, which would end a line, and
 * characters that systemd takes for invalid UTF-8.
 */
const UNREADABLE = /[\p{Cc}\p{Noncharacter_Code_Point}]/gu;

const encoder = new TextEncoder();

/** The value of `ExecStart=`. The first word is a path, in which `$` means itself. */
export function commandLine([program = "", ...words]: readonly string[]): string {
  return [quoted(program), ...words.map((word) => quoted(word.replaceAll("$", "$$$$")))].join(" ");
}

/** One assignment for `Environment=`. */
export function assignment(name: string, value: string): string {
  return quoted(`${name}=${value}`);
}

/** A word in quotes, if it needs them. */
function quoted(word: string): string {
  const text = word.replaceAll("%", "%%");
  if (PLAIN.test(text)) return text;
  const escaped = text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replace(
    UNREADABLE,
    (character) =>
      [...encoder.encode(character)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`)
        .join(""),
  );
  return `"${escaped}"`;
}

/** The value of a key that takes the rest of its line as one path, such as `WorkingDirectory=`. */
export function wholePath(path: string): string {
  // Quotes and escapes mean nothing here, and blanks at the end are dropped.
  if (path.search(UNREADABLE) >= 0 || /[\s\\]$/.test(path)) throw inexpressible(path);
  return path.replaceAll("%", "%%");
}

/** One path of a key that takes a list of them, such as `ReadWritePaths=`. */
export function listedPath(path: string): string {
  if (path.search(UNREADABLE) >= 0) throw inexpressible(path);
  const text = path.replaceAll("%", "%%");
  return PLAIN.test(text) ? text : `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** A text for people, on one line. */
export function description(text: string): string {
  return text.replace(UNREADABLE, "?").replaceAll("%", "%%").replace(/[\s\\]+$/, "");
}

function inexpressible(path: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `systemd has no way to write the path ${JSON.stringify(path)} in a unit`,
    { code: "argument/unusable-path", hint: "use a path without control characters" },
  );
}

/** A line of a section: a key and its value. A key may come again. */
export type Setting = readonly [key: string, value: string];

/** A section's lines; what is undefined is left out. */
export type Section = readonly (Setting | undefined)[];

/** The text of a unit file. */
export function unitText(sections: Readonly<Record<string, Section>>): string {
  return Object.entries(sections).map(([name, settings]) => {
    const lines = settings.filter((setting) => setting !== undefined)
      .map(([key, value]) => `${key}=${value}\n`);
    return `[${name}]\n${lines.join("")}`;
  }).join("\n");
}
