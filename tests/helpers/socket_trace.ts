/**
 * Reads the output of `strace -f` for a whole suite and finds the sockets that daemons created.
 *
 * A daemon is a process that was started with the daemon's own program. Its threads are found
 * through the calls that create threads; a thread's first lines may come before that call has
 * returned, and are held back until then.
 */

/**
 * The strace options for such a trace; add `-o FILE` and the command. Only these calls stop a
 * thread.
 */
export const TRACE: readonly string[] = [
  ...["-f", "--seccomp-bpf", "-qqq", "-s", "400", "-e", "signal=none", "-e"],
  "trace=execve,execveat,clone,clone3,fork,vfork,socket,bind,connect,listen",
];

/** The result of an audit. */
export interface SocketAudit {
  daemons: number;
  /** Unix sockets that daemons created. */
  unix: number;
  /** Network sockets created by daemons, or by processes that could not be identified. */
  network: string[];
}

interface Process {
  daemon: boolean | "unknown";
  /** The program it was started with. */
  program: string;
}

const LINE = /^(\d+)\s+(.*)$/;
const DAEMON = /"[^"]*\/daemon\/main\.ts"|"__daemon"/;

/** Processes a trace line by line. */
export class SocketTrace {
  readonly #threads = new Map<string, Process>();
  /** Calls that have started and not ended, by thread. */
  readonly #open = new Map<string, string>();
  /** Lines of threads whose creating call has not returned yet. */
  readonly #waiting = new Map<string, string[]>();
  readonly #audit: SocketAudit = { daemons: 0, unix: 0, network: [] };

  /** One line of the trace. */
  line(line: string): void {
    const [, thread = "", text = ""] = LINE.exec(line) ?? [];
    if (text.endsWith("<unfinished ...>")) {
      this.#open.set(thread, text.slice(0, -"<unfinished ...>".length));
      return;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    if (!resumed) return this.#did(thread, text);
    const begun = this.#open.get(thread);
    this.#open.delete(thread);
    if (begun !== undefined) this.#did(thread, begun + resumed[1]);
  }

  /** The result, at the end of the trace. */
  end(): SocketAudit {
    for (const thread of [...this.#waiting.keys()]) {
      this.#know(thread, { daemon: "unknown", program: "unknown" });
    }
    return this.#audit;
  }

  #did(thread: string, text: string): void {
    // The very first thread is the command itself.
    if (this.#threads.size === 0) this.#threads.set(thread, { daemon: false, program: "" });
    const process = this.#threads.get(thread);
    if (process) return this.#note(thread, process, text);
    const waiting = this.#waiting.get(thread);
    if (waiting) waiting.push(text);
    else this.#waiting.set(thread, [text]);
  }

  #know(thread: string, process: Process): void {
    this.#threads.set(thread, process);
    const waiting = this.#waiting.get(thread) ?? [];
    this.#waiting.delete(thread);
    for (const text of waiting) this.#did(thread, text);
  }

  #note(thread: string, process: Process, text: string): void {
    const call = /^\w+/.exec(text)?.[0];
    const result = Number(/= (-?\d+)[^=]*$/.exec(text)?.[1] ?? NaN);
    if (call === undefined) {
      // "+++ exited with 0 +++": the number may be reused.
      if (text.startsWith("+++") && !text.includes("superseded")) this.#threads.delete(thread);
    } else if (/^execve/.test(call)) {
      if (result !== 0) return;
      process.daemon = DAEMON.test(text);
      process.program = /\[.*\]/.exec(text)?.[0] ?? text;
      if (process.daemon) this.#audit.daemons++;
    } else if (/^(clone|fork|vfork)/.test(call)) {
      if (!(result > 0)) return;
      this.#know(String(result), text.includes("CLONE_THREAD") ? process : { ...process });
    } else if (call === "socket" && process.daemon !== false) {
      if (/^socket\(AF_(UNIX|LOCAL)\b/.test(text)) this.#audit.unix++;
      else this.#audit.network.push(`${text} by ${process.program}`);
    }
  }
}

/** Reads a trace from a file. */
export async function auditSockets(path: string): Promise<SocketAudit> {
  const trace = new SocketTrace();
  let rest = "";
  using file = await Deno.open(path);
  for await (const text of file.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) trace.line(line);
  }
  return trace.end();
}
