/**
 * Why a program failed, in one line: the part of its stderr that a person would quote. An exception
 * or a panic counts more than words that call themselves an error, those more than other words, and
 * of what counts the same the last one is taken; frames, quoted source and the remarks of wrappers
 * are passed over. The root of a chain of causes is told, too. Pure, and linear in time whatever
 * was printed.
 */
import { stripAnsi } from "../../core/base/ansi.ts";
import { type LineKind, lineKind, Rank } from "./line_kind.ts";

/** The longest error, and the longest cause beside it, in characters. */
const LONGEST = 200;
/** The longest line that is understood; of a longer one the head is. */
const LONGEST_LINE = 2000;
/** Source lines that stand before the carets below them. */
const QUOTED_LINES = 6;
/** The edge of the box that Python draws around a group of exceptions. */
const BOX = /^ *(?:\| ?|\+[-+]+(?: \d+ )?-* ?)/;

interface Report {
  rank: number;
  text: string;
  /** What it goes back to. */
  cause?: { how: string; text: string };
  /** A frame of its stack trace has been seen: what follows is no part of its message. */
  framed: boolean;
}

/** What the next line is because of the ones before. */
type Context =
  /** Source is quoted, up to a line of carets. */
  | { in: "source"; left: number }
  /** What was thrown comes next, or goes on: a value on several lines. */
  | { in: "thrown" }
  | { in: "value" }
  /** A message that ends with a colon goes on. */
  | { in: "message" }
  /** Frames, then the exception. */
  | { in: "traceback" }
  /** The message of a panic. */
  | { in: "panic"; at: string }
  /** Causes, one a line. */
  | { in: "causes"; all: boolean };

/** The line; empty when nothing was said. */
export function errorLine(stderr: string): string {
  const reader = new ErrorReader();
  // A progress meter writes over itself: a carriage return ends a line as well.
  for (const line of stderr.split(/\r*\n|\r+/)) {
    reader.read(stripAnsi(line.slice(0, LONGEST_LINE)).trimEnd());
  }
  return reader.found();
}

/** Takes line after line. */
class ErrorReader {
  #best: Report | undefined;
  #context: Context | undefined;
  /** Within the box that Python draws around a group of exceptions. */
  #boxed = false;
  #chained: "caused by" | "while handling" | undefined;
  /** The line before, where it may turn out to be the head of a stack trace. */
  #above: string | undefined;

  found(): string {
    if (this.#best === undefined) return "";
    const { text, cause } = this.#best;
    const said = oneLine(text);
    if (cause === undefined) return said;
    const why = oneLine(cause.text);
    // Who wraps an error often repeats its message.
    const isTold = said.includes(why.slice(why.indexOf(": ") + 1).trim());
    return isTold ? said : `${said}; ${cause.how} ${why}`;
  }

  read(whole: string): void {
    const edge = this.#boxed ? BOX.exec(whole)?.[0] : undefined;
    if (edge === undefined) this.#boxed = false;
    const line = whole.slice(edge?.length ?? 0);
    const found = lineKind(line);
    const above = this.#above;
    const context = this.#context;
    this.#above = undefined;
    this.#context = undefined;
    if (context === undefined || !this.#continues(context, { line, found })) {
      this.#begins(found, above);
    }
  }

  /** A line that speaks for itself. */
  #begins(found: LineKind, above: string | undefined): void {
    switch (found.kind) {
      case "frame":
        if (found.belowError && above !== undefined) this.#report(Rank.Exception, above);
        if (this.#best !== undefined) this.#best.framed = true;
        return;
      case "source":
        this.#context = { in: "source", left: QUOTED_LINES };
        return;
      case "traceback":
        this.#context = { in: "traceback" };
        if (found.boxed) this.#boxed = true;
        return;
      case "chained":
        this.#chained = found.how;
        return;
      case "panicked":
        this.#context = { in: "panic", at: found.at };
        return;
      case "causes":
        this.#context = { in: "causes", all: found.all };
        return;
      case "cause":
        return this.#cause(found.text);
      case "ruby":
        return this.#best?.rank === Rank.Exception && this.#best.framed
          ? this.#cause(found.text)
          : this.#report(Rank.Exception, found.text);
      case "words":
        return this.#words(found);
      case "blank":
      case "carets":
        return;
    }
  }

  /** What a line is because of the ones before it; false where it speaks for itself. */
  #continues(context: Context, { line, found }: { line: string; found: LineKind }): boolean {
    const isIndented = line === "" || /^\s/.test(line);
    switch (context.in) {
      case "source":
        if (found.kind === "carets") this.#context = { in: "thrown" };
        else if (context.left > 1) this.#context = { in: "source", left: context.left - 1 };
        return true;
      case "thrown":
        if (line === "") this.#context = context;
        else if (line === "{") {
          this.#report(Rank.Exception, line);
          this.#context = { in: "value" };
        } else if (found.kind === "words" && found.rank < Rank.Exception) {
          this.#report(Rank.Exception, line);
        } else return false;
        return true;
      case "value":
        if (this.#best!.text.length < LONGEST) this.#best!.text += ` ${line.trim()}`;
        if (isIndented && line !== "") this.#context = context;
        return true;
      case "message":
        if (found.kind !== "words" || found.rank === Rank.Aside) return false;
        if (found.rank === Rank.Exception) return false;
        this.#best!.text += ` ${line.trim()}`;
        return true;
      case "traceback":
        if (isIndented) this.#context = context;
        else if (found.kind === "words") this.#words({ ...found, rank: Rank.Exception });
        else return false;
        return true;
      case "panic":
        // The panic of a thread that was joined: that thread has told it itself.
        if (!line.endsWith("value: Any { .. }") || this.#best?.rank !== Rank.Exception) {
          this.#report(Rank.Exception, `panicked at ${context.at}: ${line}`);
        }
        return true;
      case "causes":
        if (!isIndented || line === "") return false;
        this.#cause(line.replace(/^\s+(?:\d+: )?/, ""));
        if (context.all) this.#context = context;
        return true;
    }
  }

  #words({ rank, text }: { rank: number; text: string }): void {
    const before = this.#best;
    const isInside = before?.rank === Rank.Exception && !before.framed;
    if (rank < Rank.Exception) {
      if (rank >= (before?.rank ?? 0)) this.#report(rank, text);
      // The next lines of a message are no head of a trace, and what is indented belongs to another
      // line.
      if (rank > Rank.Aside && !isInside && !/^\s/.test(text)) this.#above = text;
      return;
    }
    if (this.#boxed && before?.rank === Rank.Exception) {
      // A group tells all its members; the first one will do.
      if (before.cause === undefined) this.#cause(text);
      return;
    }
    const how = this.#chained;
    this.#report(rank, text);
    if (how === undefined || before === undefined) return;
    this.#best!.cause = before.cause === undefined
      ? { how, text: before.text }
      : { ...before.cause, how: "caused by" };
  }

  #report(rank: number, text: string): void {
    this.#best = { rank, text, framed: false };
    this.#chained = undefined;
    if (rank === Rank.Exception && text.endsWith(":")) this.#context = { in: "message" };
  }

  /** The last cause of a chain is where it began. */
  #cause(text: string): void {
    if (this.#best === undefined) this.#report(Rank.Exception, text);
    else this.#best.cause = { how: "caused by", text };
  }
}

/** On one line, without control characters, and not too long. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  const line = text.replace(/[\x00-\x20\x7f-\x9f]+/g, " ").trim();
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST - 1)}…`;
}
