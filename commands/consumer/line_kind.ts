/**
 * Classifies one line of a program's stderr: the error itself, its cause, a stack frame, or other
 * text. Knows the formats of Node, Deno, Python, Go, Java, Rust, Ruby, Perl, shells and curl. Pure;
 * error_line.ts handles the order of lines.
 */

/** How well a line says why a program failed; among equals the later one counts. */
export const Rank = {
  /** A tool that only repeats that something failed, or a hint. */
  Aside: 1,
  /** Any other text. */
  Words: 2,
  /** A line that calls itself an error. */
  Error: 3,
  /** An exception or a panic: what ended the program. */
  Exception: 4,
} as const;

/** A line and its kind; `text` is the part to quote. */
export type LineKind =
  | { kind: "blank" }
  | { kind: "words"; rank: typeof Rank[keyof typeof Rank]; text: string }
  /** A stack frame. `belowError`: its language prints the error above the frames. */
  | { kind: "frame"; belowError: boolean }
  /** The location of the source lines that follow, up to a line of carets. */
  | { kind: "source" }
  | { kind: "carets" }
  /**
   * The start of a Python traceback; the error follows the frames. `boxed`: of an exception group,
   * in a box.
   */
  | { kind: "traceback"; boxed: boolean }
  /** Python's link between the previous exception and the next one. */
  | { kind: "chained"; how: "caused by" | "while handling" }
  /** A Rust panic; its message is the next line. */
  | { kind: "panicked"; at: string }
  /** One cause of the error above. */
  | { kind: "cause"; text: string }
  /** Ruby prints the cause of an error as another error, after the frames. */
  | { kind: "ruby"; text: string }
  /**
   * Causes follow, one per line. `all`: each is the cause of the one before; otherwise the first
   * one counts.
   */
  | { kind: "causes"; all: boolean };

/** What programs print before the error itself. */
const INTRODUCTIONS =
  /^(?:Uncaught:? |Unhandled exception\.? |Exception in thread "[^"]*" |error: Uncaught (?:\(in [^)]*\) )?)+/;
/** `java.io.IOException: words`, `TypeError [ERR_X]: words`, `[Error: words] {`, `RuntimeError`. */
const EXCEPTION = /^\[?([\w.$:]*(?:Error|Exception)(?: \[\w+\])?(?:: .*|:)?)$/;
const ELIXIR = /^\*\* \(([\w.]+)\) (.*)$/;
const GO = /^\s*((?:panic|fatal error): .*?)(?: \[recovered[^\]]*\])?$/;
const RUBY = /^\S+:\d+:in ['`][^']*': (.*) \(([A-Z][\w:]*)\)$/;
const RUST = /^thread '[^']*' (?:\(\d+\) )?panicked at (?:'(.*)', (\S+)|(.+):)$/;
const REJECTED = /^\[?UnhandledPromiseRejection: .* with the reason "(.*?)"?\.?\]?$/;

/** Text that calls itself an error, or a tool's error number, as in `curl: (7) …`. */
const CALLED_ERROR = [
  /\b(?:[Ee]rror|[Ff]atal|[Pp]anic|[Ee]xception|[Cc]ritical)(?:\[\w+\]| \w+)?\s*:/,
  /\b(?:ERROR|FATAL|PANIC|CRITICAL|SEVERE|EMERGENCY)\b/,
  /[[(<](?:error|fatal|panic|critical)[\])>]/i,
  /\blevel["']?[=:]\s*["']?(?:error|fatal|panic|critical)/i,
  /\b[A-Z]\w*(?:Error|Exception): /,
  /^[\w.+-]+: \(\d+\) /,
];

const ASIDES = [
  /^Node\.js v\d/,
  /^\(node:\d+\) /,
  /^\(Use `/,
  /^exit status \d+$/,
  /^note: /,
  /^ {2}(?:try: |did you mean )/, // evs, below its errors
  /^\++ /, // a shell trace
  /^npm (?:ERR!|error|notice|warn)/i,
  /^\s*ELIFECYCLE/,
  /^error: script ".*" exited with/,
  /^error Command failed/,
  /^make(?:\[\d+\])?: \*\*\* /,
  /^BEGIN failed--/,
  /^Compilation failed in require/,
  /^error: Type checking failed/,
  /^\[signal SIG/,
  /^goroutine \d+ \[/,
  /^created by /,
  /^stack backtrace:/i,
  /^# \S+$/, // the package that Go compiles
  /^\s*%\s+Total\s/, // curl's progress, and its output with -v
  /^\s*Dload\s+Upload/,
  /^\s*[\d.]+[kMG]?\s+[\d.]+[kMG]?\s+\d+\s.*:\d\d|--:--/,
  /^[*<>] /,
  /^[{}] \[/,
];

/** A timestamp at the start, as in logs. */
const TIME =
  /^[[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d)?[\])]?[ :|-]+(?=\S)/;

/** Classifies a line without terminal sequences and line feeds, no longer than the limit. */
export function lineKind(line: string): LineKind {
  if (/^[\s{}[\](),;]*$/.test(line)) return { kind: "blank" };
  if (/^\s*[~^][\s~^]*$/.test(line)) return { kind: "carets" };
  return frame(line) ?? chain(line) ?? source(line) ?? failure(line) ?? words(line);
}

function frame(line: string): LineKind | undefined {
  if (
    /^\s+at \S/.test(line) || /^\s+from \S+:\d/.test(line) || /^\t.* called at \S+ line/.test(line)
  ) {
    return { kind: "frame", belowError: true };
  }
  const other = /^\s+\.\.\. \d+ |^\s+File "|^\t\S+:\d+|^#\d+ |^\s+thrown in /.test(line);
  return other ? { kind: "frame", belowError: false } : undefined;
}

function chain(line: string): LineKind | undefined {
  if (/^ *(?:\+ Exception Group )?Traceback \(most recent call last\):/.test(line)) {
    return { kind: "traceback", boxed: line.includes("Group") };
  }
  if (line.startsWith("The above exception was the direct cause")) {
    return { kind: "chained", how: "caused by" };
  }
  if (line.startsWith("During handling of the above exception")) {
    return { kind: "chained", how: "while handling" };
  }
  if (/^Caused by:\s*$/.test(line)) return { kind: "causes", all: true };
  if (/^\s+\[errors\]: \[$/.test(line)) return { kind: "causes", all: false };
  const [, cause] = /^(?:Caused by: |\s+\[cause\]: | ---> )(.*)$/.exec(line) ?? [];
  return cause === undefined ? undefined : { kind: "cause", text: withoutBrackets(cause) };
}

function source(line: string): LineKind | undefined {
  return /^(?:file:\/\/|\/|node:|[A-Za-z]:\\)\S*:\d+$/.test(line) ? { kind: "source" } : undefined;
}

/** Recognises lines that say what ended the program. */
function failure(whole: string): LineKind | undefined {
  const line = whole.replace(TIME, "");
  const rejected = REJECTED.exec(withoutBrackets(line));
  if (rejected !== null) return exception(rejected[1]!);
  const rust = RUST.exec(line);
  if (rust !== null) {
    const [, message, oldPlace, place] = rust;
    return message === undefined
      ? { kind: "panicked", at: place! }
      : exception(`panicked at ${oldPlace}: ${message}`);
  }
  const ruby = RUBY.exec(line);
  if (ruby !== null) return { kind: "ruby", text: `${ruby[2]}: ${ruby[1]}` };
  const elixir = ELIXIR.exec(line);
  if (elixir !== null) return exception(`${elixir[1]}: ${elixir[2]}`);
  const go = GO.exec(line);
  if (go !== null) return exception(go[1]!);
  const introduction = INTRODUCTIONS.exec(line)?.[0] ?? "";
  const said = withoutBrackets(line.slice(introduction.length));
  if (introduction !== "" || EXCEPTION.test(said)) return exception(unquoted(said));
  return undefined;
}

function words(whole: string): LineKind {
  const line = whole.replace(TIME, "");
  if (ASIDES.some((aside) => aside.test(line))) {
    return { kind: "words", rank: Rank.Aside, text: line };
  }
  const record = logRecord(line);
  if (record !== undefined) return record;
  const isError = CALLED_ERROR.some((shape) => shape.test(line)) &&
    !/\b(?:no|0|without) errors?\b/i.test(line);
  return { kind: "words", rank: isError ? Rank.Error : Rank.Words, text: line };
}

/** A JSON log record, as written by pino, bunyan, zap and slog: its message. */
function logRecord(line: string): LineKind | undefined {
  if (!line.startsWith("{") || !line.endsWith("}")) return undefined;
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line);
  } catch {
    // It only looks like a record.
    return undefined;
  }
  const level = record["level"] ?? record["severity"];
  const isError = typeof level === "number"
    ? level >= 50
    : typeof level === "string" && /^(?:err|fatal|panic|crit|alert|emerg)/i.test(level);
  const said = [record["msg"], record["message"]].find((text) => typeof text === "string");
  const about = [record["err"], record["error"]]
    .map((error) => error !== null && typeof error === "object" ? error : { message: error })
    .map((error) => (error as { message?: unknown }).message)
    .find((text) => typeof text === "string" && text !== said);
  const parts = [said, about].filter((text) => typeof text === "string" && text !== "");
  if (parts.length === 0) return undefined;
  return { kind: "words", rank: isError ? Rank.Error : Rank.Words, text: parts.join(": ") };
}

function exception(text: string): LineKind {
  return { kind: "words", rank: Rank.Exception, text };
}

/**
 * Turns `[Error: words] {` into `Error: words`: Node prints an error this way if it has properties
 * or no stack.
 */
function withoutBrackets(text: string): string {
  const bare = text.replace(/ \{$/, "");
  return bare.startsWith("[") && bare.endsWith("]") ? bare.slice(1, -1) : bare;
}

/** Thrown text is printed in quotes, but quoted text is folded when causes are counted. */
function unquoted(text: string): string {
  return /^"[^"]+"$/.test(text) ? text.slice(1, -1) : text;
}
