/**
 * Attackers of a daemon, in their own process so that they do not slow down the measurement:
 * endless lines, half-open requests, a schema and payloads that blow up a backtracking regular
 * expression. They run until standard input closes, then print what they did as one line of JSON:
 * `deno run -A attackers.ts SOCKET`.
 */
import assert from "node:assert/strict";
import { until } from "./evs.ts";
import { head, isClosed, RawConnection } from "./raw_connection.ts";

/** How many half-open requests to keep open at all times. */
export const HALF_OPEN = 200;
/** The topic with the endless lines. It must exist: a refused line does not create it. */
export const ENDLESS_TOPIC = "endless";

/** What they did. */
export interface Attacks {
  /** Lines that were refused for their length. */
  refusedLines: number;
  /** Bytes of a line without an end, which the daemon skips. */
  skippedBytes: number;
  /** Half-open requests that the daemon ended; each was replaced by another. */
  endedHalves: number;
  /** Payloads that were checked against the regular expression, each with a reply. */
  bombs: number;
}

const PIECE = "x".repeat(64 * 1024);
const CHUNK = new TextEncoder().encode(`${PIECE.length.toString(16)}\r\n${PIECE}\r\n`);
const LINES = head(
  `POST /v1/topics/${ENDLESS_TOPIC}/events?type=x`,
  "content-type: application/x-ndjson",
  "transfer-encoding: chunked",
);
const SKIPPED = LINES.replace("type=x", "type=x&onError=skip");
/** Ways to leave a request unfinished. */
const HALVES = [
  "",
  "GET /v1/hea",
  "GET /v1/health HTTP/1.1\r\nhost: evs\r\nx-a: b",
  LINES + "5\r\n12",
];
/**
 * The pause between two pieces of a skipped line, two refused lines and two payloads, ms: the test
 * measures how the daemon handles them, not how a machine with few processors is shared.
 */
const PAUSE = 10;
/**
 * A daemon that has not ended the half-open requests by then, ms, never does: it ends them within
 * 12 s, and later where the machine stands still.
 */
const PATIENCE = 120_000;

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE));
}

/** Starts all attackers. */
class Attackers {
  readonly attacks: Attacks = { refusedLines: 0, skippedBytes: 0, endedHalves: 0, bombs: 0 };
  readonly #socket: string;
  readonly #open = new Set<RawConnection>();
  #over = false;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** Resolves when all have ended; rejects if the daemon does something that it must not do. */
  async run(): Promise<void> {
    await Promise.all([
      this.#endlessLines(),
      this.#lineThatIsPassedOver(),
      this.#regexBombs(),
      ...Array.from({ length: HALF_OPEN }, (_, i) => this.#halfOpen(HALVES[i % HALVES.length]!)),
    ]);
  }

  /** Stops them once the daemon has ended each of the first half-open requests. */
  async end(): Promise<void> {
    const began = performance.now();
    await until(() =>
      this.attacks.endedHalves >= HALF_OPEN || performance.now() - began > PATIENCE
    );
    this.#over = true;
    for (const connection of this.#open) connection.close();
  }

  async #connect(): Promise<RawConnection> {
    const connection = await RawConnection.open(this.#socket);
    this.#open.add(connection);
    return connection;
  }

  #closed(connection: RawConnection): void {
    if (this.#open.delete(connection) && !this.#over) connection.close();
  }

  async #endlessLines(): Promise<void> {
    while (!this.#over) {
      const connection = await this.#connect();
      // Handled from the start: at the end the connection is closed while this is still sending.
      const said = connection.untilEnd().catch((error) => this.#over ? "" : Promise.reject(error));
      said.catch(() => {}); // awaited after everything has been sent
      try {
        await connection.send(LINES);
        await connection.sendOn(CHUNK, 64 * CHUNK.length);
      } catch (error) {
        if (!this.#over && !isClosed(error)) throw error;
      }
      const text = await said;
      this.#closed(connection);
      if (this.#over) return;
      assert.match(text, /^HTTP\/1\.1 413 [^]*"event\/too-large"/);
      this.attacks.refusedLines++;
      await pause();
    }
  }

  async #lineThatIsPassedOver(): Promise<void> {
    const connection = await this.#connect();
    try {
      await connection.send(SKIPPED);
      while (!this.#over) {
        await connection.send(CHUNK);
        this.attacks.skippedBytes += CHUNK.length;
        await pause();
      }
    } catch (error) {
      if (!this.#over) throw error;
    }
  }

  async #halfOpen(half: string): Promise<void> {
    while (!this.#over) {
      const connection = await this.#connect();
      if (half !== "") await connection.send(half);
      await connection.untilEnd().catch((error) => this.#over ? "" : Promise.reject(error));
      if (!this.#over) this.attacks.endedHalves++;
      this.#closed(connection);
    }
  }

  async #regexBombs(): Promise<void> {
    const connection = await this.#connect();
    const ask = async (line: string, body: string) => {
      await connection.send(head(line, `content-length: ${body.length}`) + body);
      return (await connection.answer()).status;
    };
    try {
      const schema = JSON.stringify({ type: "string", pattern: "^(.*a){20}$" });
      // The disk may be full right now.
      await until(async () => await ask("PUT /v1/schemas/bomb", schema) < 300);
      const payload = JSON.stringify("ab".repeat(50_000));
      while (!this.#over) {
        assert.equal(await ask("POST /v1/topics/endless/events?type=bomb", payload), 422);
        this.attacks.bombs++;
        await pause();
      }
    } catch (error) {
      if (!this.#over) throw error;
    }
  }
}

/** A process that runs the attackers. */
export class AttackerProcess {
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<Deno.CommandOutput>;

  constructor(socket: string) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", new URL(import.meta.url).pathname, socket],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#output = this.#child.output();
  }

  /** Stops them and returns what they did. Fails with their output if something went wrong. */
  async end(): Promise<Attacks> {
    await this.#child.stdin.close();
    const { code, stdout, stderr } = await this.#output;
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout));
  }

  /** Kills them if they still run. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // they have already ended
    }
    await this.#output;
  }
}

if (import.meta.main) {
  const attackers = new Attackers(Deno.args[0]!);
  const work = attackers.run();
  const told = (async () => {
    while (await Deno.stdin.read(new Uint8Array(64)) !== null); // nothing is printed on it
    await attackers.end();
  })();
  await Promise.race([work, told]); // a failure ends the process at once
  await work;
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(attackers.attacks)}\n`));
  Deno.exit(0);
}
