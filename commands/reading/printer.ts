/**
 * Prints events on stdout. In a pipe the bytes pass through unchanged; on a terminal each event is
 * one aligned, escaped line, or with `--json` a line of JSON that is safe for a terminal. `--raw`
 * prints payloads alone, `--format` what it names.
 */
import { formatLocalTime } from "../terminal/local_time.ts";
import { parseJson, splitMembers } from "../../core/json/json.ts";
import { concat, linesIn } from "../../core/base/bytes.ts";
import type { EvsContext } from "../cli/context.ts";
import type { Palette } from "../terminal/colour.ts";
import { escapeJson, escapeText } from "../terminal/escape.ts";
import { pad } from "../terminal/table.ts";
import type { FormatPart } from "./format.ts";
import { formatEvent } from "./format_event.ts";
import { rawPayload } from "./raw.ts";

/** Prints a block of whole wire lines. */
export type BlockPrinter = (block: Uint8Array) => Promise<void>;

const decoder = new TextDecoder();
const LINE_FEED = Uint8Array.of(0x0a);
/** Columns grow with their contents, up to this width. */
const WIDEST = 32;

/** What to print of each event. */
export interface PrinterOptions {
  /** Payloads alone. */
  raw?: boolean;
  format?: readonly FormatPart[];
  /** Lines of JSON to print instead of the events, which are the same number of lines. */
  convert?: ((block: Uint8Array) => Uint8Array) | undefined;
  /** Whether to name the topic of each event. */
  topics: boolean;
  /** There is one event: bytes get no line feed. */
  single?: boolean;
}

/** The printer for the current stdout. */
export function eventPrinter(context: EvsContext, options: PrinterOptions): BlockPrinter {
  const { stdout } = context;
  const { raw, format, convert, topics, single = false } = options;
  if (raw) return (block) => stdout.write(rawBlock(block, single));
  if (format !== undefined) {
    const escape = stdout.isTerminal ? escapeText : (text: string) => text;
    return linePrinter(context, (line) => formatEvent(format, { line, escape }));
  }
  if (convert) {
    const safely = linePrinter(context, (line) => `${escapeJson(decoder.decode(line))}\n`);
    return (block) => stdout.isTerminal ? safely(convert(block)) : stdout.write(convert(block));
  }
  if (!stdout.isTerminal) return (block) => stdout.write(block);
  const formatter = new EventFormatter({ paint: context.paint, topics });
  return linePrinter(
    context,
    context.json
      ? (line) => `${escapeJson(decoder.decode(line))}\n`
      : (line) => `${formatter.format(line)}\n`,
  );
}

function linePrinter({ stdout }: EvsContext, print: (line: Uint8Array) => string): BlockPrinter {
  return async (block) => {
    let text = "";
    for (const { bytes } of linesIn(block)) text += print(bytes);
    await stdout.write(text);
  };
}

function rawBlock(block: Uint8Array, single: boolean): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const line of linesIn(block)) {
    const { bytes, binary } = rawPayload(line.bytes);
    parts.push(bytes);
    if (!single || !binary) parts.push(LINE_FEED);
  }
  return concat(parts);
}

/** Formats events for people; columns stay aligned as they grow. */
export class EventFormatter {
  readonly #paint: Palette;
  readonly #topics: boolean;
  readonly #widths = { seq: 4, topic: 0, type: 0 };

  constructor(options: { paint: Palette; topics: boolean }) {
    this.#paint = options.paint;
    this.#topics = options.topics;
  }

  /** One event, given as its wire line. */
  format = (line: Uint8Array): string => {
    const text = decoder.decode(line);
    const event = parseJson(text, { around: 1 }) as Record<string, unknown>;
    const payload = splitMembers(text, line).find(({ name }) => name === "payload");
    const { seq, timestamp, topic, type, key } = event;
    const paint = this.#paint;
    const columns = [
      paint.dim(formatLocalTime(Number(timestamp), { ms: true })),
      paint.bold(this.#cell("seq", String(seq), true)),
      ...(this.#topics ? [paint.blue(this.#cell("topic", String(topic)))] : []),
      paint.cyan(this.#cell("type", String(type))),
      ...(key === undefined ? [] : [paint.yellow(escapeText(String(key)))]),
      escapeText(payload === undefined ? "" : decoder.decode(payload.bytes)),
    ];
    return columns.join("  ");
  };

  #cell(name: "seq" | "topic" | "type", value: string, right = false): string {
    const cell = escapeText(value);
    this.#widths[name] = Math.max(this.#widths[name], Math.min(WIDEST, cell.length));
    return pad(cell, { width: this.#widths[name], right });
  }
}

/** One event as names and values, with its payload as it was published. */
export function eventFacts(line: Uint8Array): Record<string, unknown> {
  const text = decoder.decode(line).trimEnd();
  const facts: Record<string, unknown> = {};
  for (const { name, bytes } of splitMembers(text, line.subarray(0, line.lastIndexOf(0x7d) + 1))) {
    const value = decoder.decode(bytes);
    if (name === "timestamp") facts["time"] = formatLocalTime(Number(value), { ms: true });
    else if (name === "payload" || name === "metadata") facts[name] = value;
    else facts[name] = String(parseJson(value));
  }
  return facts;
}
