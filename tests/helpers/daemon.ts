/**
 * A private daemon for a test: a real process, a real socket and its own folder, removed when the
 * test ends.
 */
import assert from "node:assert/strict";
import { testFolder } from "./folder.ts";
import { spawnDaemon } from "./spawn_daemon.ts";

/** The options for a test's daemon. */
export interface DaemonOptions {
  store?: string;
  durability?: string;
  /** Text of the config file. */
  config?: string;
  /** A program that runs the daemon, which is passed as its arguments: `strace`, `prlimit`. */
  wrapper?: string[];
  /** Keep the data in this folder, which the test removes itself. */
  dataDir?: string;
}

/** A reply over the socket. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // deno-lint-ignore no-explicit-any -- tests look into replies freely
  json: any;
}

/** A running daemon. */
export class TestDaemon {
  readonly folder: string;
  readonly dataDir: string;
  readonly socket: string;
  readonly config: string;
  /** How to start it; a test may change this between two starts. */
  readonly options: DaemonOptions;
  #process: Deno.ChildProcess | undefined;
  #exited: Promise<Deno.CommandStatus> | undefined;
  #stderr = "";
  #client: Deno.HttpClient | undefined;
  pid = 0;

  constructor(folder: string, options: DaemonOptions) {
    this.folder = folder;
    this.dataDir = options.dataDir ?? `${folder}/data`;
    this.socket = `${folder}/evs.sock`;
    this.config = `${folder}/config.toml`;
    this.options = options;
  }

  /** Its output on standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Starts it and waits until it is ready; fails with its output if it does not become ready. */
  async start(): Promise<void> {
    const { dataDir, socket, config } = this;
    const child = spawnDaemon(
      { ...this.options, dataDir, socket, config },
      this.options.wrapper,
    );
    this.#process = child;
    this.#exited = child.status;
    const stderr = this.#readStderr(child.stderr);
    const ready = await firstLine(child.stdout);
    if (ready === undefined) {
      const status = await child.status;
      await stderr;
      // It has no pid: a signal to 0 would be one to everything that was started with this test.
      this.#process = undefined;
      throw new Error(`the daemon ended with ${status.code} before it was ready: ${this.#stderr}`);
    }
    this.pid = JSON.parse(ready).pid;
    this.#client = Deno.createHttpClient({ proxy: { transport: "unix", path: this.socket } });
  }

  async #readStderr(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.#stderr += decoder.decode(chunk, { stream: true });
  }

  /** Sends one request. A body that is neither a string nor bytes is sent as JSON. */
  async http(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const raw = typeof body === "string" || body instanceof Uint8Array;
    const answer = await fetch(`http://localhost${path}`, {
      method,
      client: this.#client!,
      headers,
      body: raw ? body as BodyInit : JSON.stringify(body),
    });
    const text = await answer.text();
    const isJson = answer.headers.get("content-type") === "application/json";
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
    };
  }

  /** Publishes payloads, one per line; every one must be stored. */
  async publish(topic: string, type: string, ...payloads: unknown[]): Promise<Answer["json"]> {
    const lines = payloads.map((payload) => `${JSON.stringify(payload)}\n`).join("");
    const answer = await this.http("POST", `/v1/topics/${topic}/events?type=${type}`, lines, {
      "content-type": "application/x-ndjson",
    });
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }

  /** The events of a topic. */
  async replay(topic: string, query = ""): Promise<Answer["json"][]> {
    const answer = await this.http("GET", `/v1/topics/${topic}/events${query}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }

  /** How many events a topic has: none if it is not there yet. */
  async countOf(topic: string): Promise<number> {
    const { status } = await this.http("GET", `/v1/topics/${topic}`);
    return status === 404 ? 0 : (await this.replay(topic)).length;
  }

  /** Resolves with the status of the started process when it ends. */
  exited(): Promise<Deno.CommandStatus> {
    assert.ok(this.#exited, "the daemon was not started");
    return this.#exited;
  }

  /** Sends a signal to the daemon itself, and waits until the process has ended. */
  async kill(signal: Deno.Signal = "SIGKILL"): Promise<Deno.CommandStatus> {
    Deno.kill(this.pid, signal);
    const status = await this.exited();
    this.#closeClient();
    this.#process = undefined;
    return status;
  }

  /** Stops it in an orderly way; it must exit with 0. */
  async stop(): Promise<void> {
    const status = await this.kill("SIGTERM");
    assert.equal(status.code, 0, `the daemon ended with ${status.code}: ${this.#stderr}`);
  }

  #closeClient(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  /** Ends it if it is running, and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closeClient();
    if (this.#process) {
      try {
        Deno.kill(this.pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
      }
      await this.#exited;
    }
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Starts a daemon in its own folder. */
export async function startDaemon(options: DaemonOptions = {}): Promise<TestDaemon> {
  const daemon = await newDaemon(options);
  try {
    await daemon.start();
  } catch (error) {
    await Deno.remove(daemon.folder, { recursive: true });
    throw error;
  }
  return daemon;
}

/** A daemon that has not been started yet. */
export async function newDaemon(options: DaemonOptions = {}): Promise<TestDaemon> {
  const folder = await testFolder("test");
  const daemon = new TestDaemon(folder, options);
  if (options.config !== undefined) await Deno.writeTextFile(daemon.config, options.config);
  return daemon;
}

/** The first line of a stream; undefined if it ends without one. The rest is read and discarded. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) return undefined;
    text += decoder.decode(value, { stream: true });
  }
  reader.releaseLock();
  void stream.pipeTo(new WritableStream()); // the rest of its output does not matter
  return text.slice(0, text.indexOf("\n"));
}
