/**
 * Ends handlers whose consumer was killed. A killed process runs no code of its own, so a small
 * shell runs beside it: it is told which handlers are running, and when its stdin closes
 * unexpectedly, it ends them and their children. There is one guard per consumer, not per handler:
 * a handler costs one line in a pipe.
 *
 * The daemon keeps the leases of a consumer that went away for {@link HANDLER_LINGER_MS}, which is
 * longer than that takes, so that no event is redelivered while its old handler still runs.
 */
import { type Clock, systemClock } from "../../core/base/clock.ts";
import { type Child, startChild } from "./child.ts";

/** How long the daemon keeps the leases of a consumer that went away, ms. */
export const HANDLER_LINGER_MS = 3000;

const SHELL = "/bin/sh";
/**
 * The end of a handler is reported together with the start of the next one, or after this long, ms.
 */
const FLUSH_MS = 20;

/**
 * Reads lines `BEGUN ENDED`, with process ids or 0, and `? STDIN` before a start. A consumer that is
 * killed while it starts a handler does not say which process that is: it is the one with this
 * stdin. The script's own ends no sooner than the handler's program runs, which holds it until then.
 *
 * A handler leads its own process group, but may not have one yet just after the start. Handlers get
 * half a second to end by themselves.
 */
const SCRIPT = `exec >/dev/null 2>&1
trap '' HUP INT QUIT TERM
live=' '
next=
while read -r begun ended; do
  [ "$begun" != '?' ] || { next=$ended; continue; }
  [ "$begun" = 0 ] || next=
  case $live in *" $ended "*) live="\${live%% $ended *} \${live#* $ended }" ;; esac
  [ "$begun" = 0 ] || live="$live$begun "
done
[ -z "$next" ] || live="$live$(ls -ln /proc/[0-9]*/fd/0 | while read -r line; do
  case $line in *" -> $next") line=\${line#*/proc/} && echo "\${line%%/*}" ;; esac
done) "
for pid in $live; do kill -s TERM -- "-$pid" || kill -s TERM "$pid"; done
case $live in *[0-9]*) sleep 0.5 || sleep 1 ;; esac
for pid in $live; do kill -s KILL -- "-$pid"; done
`;

const encoder = new TextEncoder();

/** Ends the handlers of this consumer if it is killed. */
export class HandlerGuard {
  readonly #clock: Clock;
  readonly #live = new Set<number>();
  #ended: number[] = [];
  #shell: Child | undefined;
  #cancelFlush: (() => void) | undefined;

  constructor({ clock = systemClock }: { clock?: Clock } = {}) {
    this.#clock = clock;
  }

  /** Starts a guard that is ready before the first handler begins. */
  static begin(clock: Clock): HandlerGuard {
    const guard = new HandlerGuard({ clock });
    guard.prepare();
    return guard;
  }

  /** Call it before a handler starts, which is then reported at once. */
  prepare(): void {
    // If it was killed, a new one is started, which is told about all running handlers.
    if (this.#shell?.hasEnded) this.#shell = undefined;
    this.#shell ??= this.#start();
  }

  /** A handler is about to start whose stdin `/proc` names like this. */
  expect(stdin: string): void {
    if (this.#shell) this.#write(`? ${stdin}\n`);
  }

  /** Reports a running handler. Call the returned function when it has ended. */
  watch(pid: number): () => void {
    this.#live.add(pid);
    if (this.#shell) this.#write(`${pid} ${this.#ended.shift() ?? 0}\n`);
    return () => {
      if (!this.#live.delete(pid)) return;
      this.#ended.push(pid);
      this.#cancelFlush ??= this.#clock.setTimer(() => this.#flush(), FLUSH_MS);
    };
  }

  /** The consumer stops in an orderly way, and its handlers have ended. */
  async close(): Promise<void> {
    this.#flush();
    const shell = this.#shell;
    this.#shell = undefined;
    shell?.stdin.end();
    await shell?.status();
  }

  #start(): Child | undefined {
    let shell: Child;
    try {
      shell = startChild({
        command: [SHELL, "-c", SCRIPT],
        env: Deno.env.toObject(),
        stdout: "inherit",
        stderr: "inherit",
      });
    } catch (error) {
      // Without a shell, handlers run unguarded and outlive a consumer that is killed.
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
        return undefined;
      }
      throw error;
    }
    this.#ended = [];
    for (const pid of this.#live) shell.stdin.write(encoder.encode(`${pid} 0\n`));
    return shell;
  }

  #flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    const ended = this.#ended.splice(0);
    if (this.#shell && ended.length > 0) this.#write(ended.map((pid) => `0 ${pid}\n`).join(""));
  }

  #write(text: string): void {
    this.#shell!.stdin.write(encoder.encode(text));
  }
}
