/**
 * Finds the line of a program's stderr that best says why it failed, as a person would quote it. An
 * exception or a panic ranks above lines that call themselves an error, and those above other text;
 * among equals the last one wins. Stack frames, quoted source and remarks of wrappers are skipped.
 * The root of a chain of causes is added. Pure, and linear in time for any input.
 */
import { stripAnsi } from "../../core/base/ansi.ts";
import { type LineKind, lineKind, Rank } from "./line_kind.ts";

/** The maximum length of the error, and of the cause beside it, in characters. */
const LONGEST = 200;
/** The maximum length of a line that is examined; only the head of a longer one is. */
const LONGEST_LINE = 2000;
/** How many quoted source lines may come before the carets below them. */
const QUOTED_LINES = 6;
/** The edge of the box that Python draws around an exception group. */
const BOX = /^ *(?:\| ?|\+[-+]+(?: \d+ )?-* ?)/;

interface Report {
  rank: number;
  text: string;
  /** Its root cause. */
  cause?: { how: string; text: string };
  /** A frame of its stack trace has been seen: what follows is not part of its message. */
  framed: boolean;
}

/** What the lines before say about the next one. */
type Context =
  /** Quoted source, up to a line of carets. */
  | { in: "source"; left: number }
  /** The thrown value follows or continues on several lines. */
  | { in: "thrown" }
  | { in: "value" }
  /** A message that ends with a colon continues. */
  | { in: "message" }
  /** Stack frames, then the exception. */
  | { in: "traceback" }
  /** The message of a panic. */
  | { in: "panic"; at: string }
  /** Causes, one per line. */
  | { in: "causes"; all: boolean };

/** Returns the line; empty if nothing was printed. */
export function errorLine(stderr: string): string {
  const reader = new ErrorReader();
  // A progress meter overwrites itself, so a carriage return ends a line, too.
  for (const line of stderr.split(/\r*\n|\r+/)) {
    reader.read(stripAnsi(line.slice(0, LONGEST_LINE)).trimEnd());
  }
  return reader.found();
}

/** Processes line by line. */
class ErrorReader {
  #best: Report | undefined;
  #context: Context | undefined;
  /** Inside the box that Python draws around an exception group. */
  #boxed = false;
  #chained: "caused by" | "while handling" | undefined;
  /** The previous line, which may turn out to be the head of a stack trace. */
  #above: string | undefined;

  found(): string {
    if (this.#best === undefined) return "";
    const { text, cause } = this.#best;
    const said = oneLine(text);
    if (cause === undefined) return said;
    const why = oneLine(cause.text);
    // Code that wraps an error often repeats its message.
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

  /** A line whose meaning does not depend on earlier lines. */
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

  /** Handles a line whose meaning depends on the lines before it; false if it does not. */
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
        // The panic of a joined thread: that thread has already printed it.
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
      // Later lines of a message are not the head of a trace, and an indented line belongs to
      // another one.
      if (rank > Rank.Aside && !isInside && !/^\s/.test(text)) this.#above = text;
      return;
    }
    if (this.#boxed && before?.rank === Rank.Exception) {
      // An exception group prints all its members; the first one will do.
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

  /** Records a cause; the last one of a chain is the root. */
  #cause(text: string): void {
    if (this.#best === undefined) this.#report(Rank.Exception, text);
    else this.#best.cause = { how: "caused by", text };
  }
}

/** Makes one line of limited length, without control characters. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  const line = text.replace(/[\x00-\x20\x7f-\x9f]+/g, " ").trim();
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST - 1)}…`;
}
