/**
 * `--batch N`: one run of the handler for several events. It reads them as NDJSON on its stdin and
 * may answer each of them with a line on stdout:
 * `{"id":"…","outcome":"ack|retry|dead","reason":"…"}`. Its exit code applies to the events that it
 * does not answer. Anything else on its stdout is its own output and passes through.
 */
import type { Delivery } from "../../core/client/consumer/port.ts";
import type { ConsumerSettlement } from "../../core/client/consumer/settlement.ts";
import { type HandlerRun, settlementOf } from "./exit_code.ts";

/** A handler's answer for one event. */
export interface Answer {
  outcome: "ack" | "retry" | "dead";
  reason?: string;
}

const OUTCOMES: readonly unknown[] = ["ack", "retry", "dead"];
/** A longer line is not an answer: it passes through in pieces, so that memory stays bounded. */
const LONGEST_ANSWER = 64 * 1024;
const LF = 0x0a;

/** The options of an {@link AnswerReader}. */
export interface AnswerReaderOptions {
  /** The ids of the batch. */
  ids: ReadonlySet<string>;
  /** Receives everything that is not an answer, with its line feeds. */
  pass: (bytes: Uint8Array) => void | Promise<void>;
  /** Receives messages for people about unusable answers. */
  say: (text: string) => void;
}

/** Separates answers from other output. The last answer for an event counts. */
export class AnswerReader {
  readonly answers = new Map<string, Answer>();
  readonly #options: AnswerReaderOptions;
  #line: Uint8Array = new Uint8Array(0);
  /** Inside a line that is too long to be an answer. */
  #passing = false;

  constructor(options: AnswerReaderOptions) {
    this.#options = options;
  }

  async push(chunk: Uint8Array): Promise<void> {
    let from = 0;
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, from)) {
      await this.#end(chunk.subarray(from, at + 1));
      from = at + 1;
    }
    await this.#keep(chunk.subarray(from));
  }

  /** The output has ended, possibly in the middle of a line. */
  async end(): Promise<void> {
    if (this.#line.length > 0) await this.#take(this.#line);
    this.#line = new Uint8Array(0);
  }

  async #end(rest: Uint8Array): Promise<void> {
    const line = joined(this.#line, rest);
    this.#line = new Uint8Array(0);
    if (this.#passing) await this.#options.pass(line);
    else await this.#take(line);
    this.#passing = false;
  }

  async #keep(rest: Uint8Array): Promise<void> {
    this.#line = joined(this.#line, rest);
    if (this.#line.length <= LONGEST_ANSWER && !this.#passing) return;
    this.#passing = true;
    await this.#options.pass(this.#line);
    this.#line = new Uint8Array(0);
  }

  async #take(line: Uint8Array): Promise<void> {
    const answer = line.length <= LONGEST_ANSWER ? parseAnswer(line) : undefined;
    if (answer === undefined) return await this.#options.pass(line);
    const { id, outcome, reason } = answer;
    if (!this.#options.ids.has(id)) {
      this.#options.say(`the handler answered for ${id}, which is not in its batch: ignored`);
    } else if (!OUTCOMES.includes(outcome)) {
      this.#options.say(
        `the handler answered ${
          JSON.stringify(outcome)
        } for ${id}: it is ack, retry or dead; ignored`,
      );
    } else {
      const because = typeof reason === "string" ? { reason } : {};
      this.answers.set(id, { outcome: outcome as Answer["outcome"], ...because });
    }
  }
}

/** Parses a line as an answer: a JSON object with `id` and `outcome`. */
function parseAnswer(
  line: Uint8Array,
): { id: string; outcome: unknown; reason: unknown } | undefined {
  const text = new TextDecoder().decode(line).trim();
  if (!text.startsWith("{") || !text.includes('"outcome"')) return undefined;
  let value: { id?: unknown; outcome?: unknown; reason?: unknown };
  try {
    value = JSON.parse(text);
  } catch {
    // The handler's own output, which only looks like an answer.
    return undefined;
  }
  const { id, outcome, reason } = value;
  return typeof id === "string" && outcome !== undefined ? { id, outcome, reason } : undefined;
}

/**
 * What one run means for each event of its batch, in order. A handler that cannot run pauses the
 * subscription for all of them, whatever it answered before.
 */
export function settlementsOf(
  outcome: HandlerRun,
  about: {
    deliveries: readonly Pick<Delivery, "facts">[];
    answers: ReadonlyMap<string, Answer>;
    command: readonly string[];
  },
): ConsumerSettlement[] {
  const { deliveries, answers, command } = about;
  const forAll = settlementOf(outcome, command);
  return deliveries.map(({ facts }) => {
    const answer = answers.get(facts.id);
    if (answer === undefined || forAll.kind === "pause" || outcome.kind !== "ended") return forAll;
    if (answer.outcome === "ack") return { kind: "ack" };
    const dead = answer.outcome === "dead";
    return {
      kind: "nack",
      failure: {
        error: answer.reason ??
          (dead ? "refused for good by the handler" : "the handler asked for a retry"),
        durationMs: outcome.durationMs,
        ...(outcome.stderr === "" ? {} : { stderr: outcome.stderr }),
        ...(outcome.signal === undefined
          ? { exitCode: outcome.exitCode }
          : { signal: outcome.signal }),
        ...(dead ? { dead } : {}),
      },
    };
  });
}

/**
 * Joins lines with line feeds. They are written in one piece: in two writes, the output of
 * concurrent handlers would mix.
 */
export function toNdjson(lines: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(lines.reduce((sum, line) => sum + line.length + 1, 0));
  let at = 0;
  for (const line of lines) {
    bytes.set(line, at);
    at += line.length;
    bytes[at++] = LF;
  }
  return bytes;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b.slice();
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
