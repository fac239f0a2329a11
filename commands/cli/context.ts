/**
 * What every command gets as `this`: the outputs, the common options, and access to the daemon.
 *
 * stdout carries data, stderr carries messages. In a pipe, data is NDJSON; on a terminal it is
 * formatted for people, and escaped. A command throws an {@link EvsError} on failure; otherwise
 * `exitCode` is its exit code.
 */
import { type Clock, systemClock } from "../../core/base/clock.ts";
import { Client } from "../../core/client/client.ts";
import { actorClaim } from "../../core/client/consumer_facts.ts";
import { DaemonAddress } from "../../core/client/daemon_address.ts";
import { environment, type Paths, resolvePaths } from "../../core/protocol/paths.ts";
import { ExitCode, InvalidArgumentError } from "../../core/base/errors.ts";
import { load } from "./lazy.ts";
import { typedAgain } from "../../core/base/shell_quote.ts";
import { type ColourChoice, type Palette, palette, wantsColour } from "../terminal/colour.ts";
import type { TableOptions } from "../terminal/table.ts";
import { escapeJson, escapeLines } from "../terminal/escape.ts";
import { Output, type Sink, standardOutput } from "../terminal/output.ts";

/** How many words of the command line the audit log is told. */
const MOST_WORDS = 3;

/** How long a stream waits for a daemon that went away, by default, ms. */
const RECONNECT_MS = 60_000;

/** A source of standard input, such as `Deno.stdin`. */
export interface Input {
  read(buffer: Uint8Array): Promise<number | null>;
  isTerminal(): boolean;
}

/** Flags that every command accepts. */
export interface CommonOptions {
  /** JSON instead of text and tables, for errors too. */
  json: boolean;
  color: ColourChoice;
  /** Print only errors on stderr. */
  quiet: boolean;
  /** Print more on stderr. */
  verbose: boolean;
  /** How long to wait for a daemon that is not there, ms; by default not at all. */
  waitMs?: number;
  /** Paths that were given as flags, by the variable that each overrides. */
  places?: { EVS_SOCKET?: string; EVS_DATA_DIR?: string; EVS_CONFIG?: string };
  /** The named context that was given as a flag. */
  context?: string;
}

/** The outside world, injected. */
export interface ContextOptions {
  /** The command line after `evs`. */
  argv: readonly string[];
  options: CommonOptions;
  stdin?: Input;
  stdout?: Sink;
  stderr?: Sink;
  env?: (name: string) => string | undefined;
  clock?: Clock;
}

/** The `this` of every command. */
export class EvsContext {
  /** The command line after `evs`, as typed. */
  readonly argv: readonly string[];
  /** `--json` was given. */
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** What `--socket`, `--data-dir` and `--config` said, as typed. */
  readonly places: CommonOptions["places"];
  /** The named context that was given as a flag. */
  readonly contextGiven: string | undefined;
  /** The named context that is used, and what chose it. */
  contextUsed: { name: string; by: string } | undefined;
  /** How long to wait for a daemon that is not there, ms. */
  readonly waitMs: number;
  /** How long to wait for a daemon that goes away in the middle of a stream, ms. */
  readonly reconnectMs: number;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly clock: Clock;
  readonly env: (name: string) => string | undefined;
  /** The exit code of `evs` when the command returns. */
  exitCode = 0;
  /** Where stricli writes its help and its errors. */
  readonly process: {
    stdout: { write(text: string): void };
    stderr: { write(text: string): void };
    exitCode?: number | string | null;
  };

  #color: ColourChoice;
  #paths: Paths | undefined;
  #client: Client | undefined;

  constructor(options: ContextOptions) {
    this.argv = options.argv;
    this.json = options.options.json;
    this.quiet = options.options.quiet;
    this.verbose = options.options.verbose;
    this.places = options.options.places;
    this.contextGiven = options.options.context;
    this.waitMs = options.options.waitMs ?? 0;
    this.reconnectMs = options.options.waitMs ?? RECONNECT_MS;
    this.#color = options.options.color;
    this.stdin = options.stdin ?? Deno.stdin;
    this.stdout = new Output(options.stdout ?? standardOutput);
    this.stderr = new Output(options.stderr ?? Deno.stderr, { lossy: true });
    this.env = options.env ?? environment;
    this.clock = options.clock ?? systemClock;
    this.process = {
      stdout: { write: (text) => this.stdout.writeSync(text) },
      stderr: { write: (text) => this.stderr.writeSync(text) },
    };
  }

  /** Whether the output is for people. False in a pipe and with `--json`. */
  get forPeople(): boolean {
    return this.stdout.isTerminal && !this.json;
  }

  /** Colours for stdout. */
  get paint(): Palette {
    return palette(this.#wantsColour(this.stdout));
  }

  /** Colours for stderr. */
  get paintWords(): Palette {
    return palette(this.#wantsColour(this.stderr));
  }

  /** Where the data dir, the socket and the configuration are. */
  get paths(): Paths {
    return this.#paths ??= resolvePaths(this.env);
  }

  /**
   * The daemon's client. It connects at the first request; a missing daemon is an error of that
   * request.
   */
  client(): Promise<Client> {
    return Promise.resolve(this.#client ??= this.#newClient());
  }

  #newClient(): Client {
    // Its first words: flags may say what the events say.
    const words = this.argv.slice(0, MOST_WORDS);
    const end = words.findIndex((word) => word.startsWith("-"));
    const command = ["evs", ...words.slice(0, end < 0 ? undefined : end)].join(" ");
    const actor = actorClaim("cli", { command });
    return new Client({ socket: this.address({ watch: true }), actor });
  }

  /**
   * Where to look for the daemon. Without `watch`, it may be silent for any length of time once
   * connected.
   */
  address({ watch }: { watch: boolean }): DaemonAddress {
    return new DaemonAddress({ paths: this.paths, clock: this.clock, waitMs: this.waitMs, watch });
  }

  /** Prints one line for people on stdout; values in it must already be escaped. */
  print(text: string): void {
    this.stdout.writeSync(text + "\n");
  }

  /** Prints a value as a line of JSON on stdout, safe for a terminal. */
  printJson(value: unknown): void {
    const text = JSON.stringify(value);
    this.stdout.writeSync((this.stdout.isTerminal ? escapeJson(text) : text) + "\n");
  }

  /** Prints whole lines of JSON on stdout: unchanged, but safe for a terminal. */
  async printLines(lines: Uint8Array | string): Promise<void> {
    if (!this.stdout.isTerminal) return await this.stdout.write(lines);
    const text = typeof lines === "string" ? lines : new TextDecoder().decode(lines);
    await this.stdout.write(text.split("\n").map(escapeJson).join("\n"));
  }

  /** Passes on the stderr of another process of ours: unchanged, but safe for a terminal. */
  async passWords(chunk: Uint8Array): Promise<void> {
    await this.stderr.write(
      this.stderr.isTerminal ? escapeLines(new TextDecoder().decode(chunk)) : chunk,
    );
  }

  /** Prints a table on a terminal, NDJSON elsewhere. Columns are named by the keys of `cells`. */
  async printRows<T>(
    rows: readonly T[],
    cells: (row: T) => Record<string, unknown>,
    fit: Pick<TableOptions, "below" | "drop"> = {},
  ): Promise<void> {
    if (!this.forPeople) {
      for (const row of rows) this.printJson(row);
      return;
    }
    const { formatTable } = await load<typeof import("../terminal/table.ts")>(
      "./terminal/table.ts",
    );
    await this.stdout.write(
      formatTable(rows.map(cells), { paint: this.paint, columns: this.stdout.columns, ...fit }),
    );
  }

  /** Prints a list of names and values on a terminal, one line of JSON elsewhere. */
  async printFacts<T extends object>(
    value: T,
    facts: (value: T) => Record<string, unknown>,
  ): Promise<void> {
    if (!this.forPeople) return this.printJson(value);
    const { formatFacts } = await load<typeof import("../terminal/table.ts")>(
      "./terminal/table.ts",
    );
    await this.stdout.write(formatFacts(facts(value), { paint: this.paint }));
  }

  /** Prints a message on stderr, escaped; not with `--quiet`. */
  say(text: string): void {
    if (!this.quiet) this.stderr.writeSync(escapeLines(text) + "\n");
  }

  /** Prints a message for somebody who is watching: only on a terminal or with `--verbose`. */
  note(text: string): void {
    if (this.verbose || this.stderr.isTerminal) this.say(text);
  }

  /**
   * Asks before something is deleted. Returns true with `yes`; asks on a terminal; in a script
   * without `yes`, throws. If the answer is no, says `declined`, and the exit code is 1: what was
   * asked for was not done.
   */
  async confirm(
    question: string,
    { yes = false, declined }: { yes?: boolean | undefined; declined: string },
  ): Promise<boolean> {
    if (yes) return true;
    if (!this.stdin.isTerminal() || !this.stderr.isTerminal) {
      throw new InvalidArgumentError(`${question} There is nobody to ask`, {
        code: "argument/not-confirmed",
        hint: typedAgain(this.argv, "--yes"),
      });
    }
    this.stderr.writeSync(`${escapeLines(question)} [y/N] `);
    const answer = new Uint8Array(256);
    const count = await this.stdin.read(answer);
    if (count === null) this.stderr.writeSync("\n");
    const text = new TextDecoder().decode(answer.subarray(0, count ?? 0)).trim().toLowerCase();
    if (text === "y" || text === "yes") return true;
    this.say(declined);
    this.exitCode = ExitCode.NotFound;
    return false;
  }

  /** Disconnects from the daemon. */
  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  #wantsColour(output: Output): boolean {
    return wantsColour(this.#color, {
      terminal: output.isTerminal,
      noColor: this.env("NO_COLOR"),
      term: this.env("TERM"),
    });
  }
}
