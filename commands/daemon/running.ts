/**
 * The daemon running on the data dir, for commands that start and stop daemons. They act on this
 * data dir, or on the given socket, and never on the system's own daemon.
 */
import type { Clock } from "../../core/base/clock.ts";
import { NoDaemonError, NotAnsweringError, RemoteError } from "../../core/base/errors.ts";
import { AwakeTime } from "../../core/base/standstill.ts";
import { Client } from "../../core/client/client.ts";
import { isGone } from "../../core/client/consumer/port.ts";
import { DaemonAddress, starvation } from "../../core/client/daemon_address.ts";
import {
  hasOpen,
  hasSocket,
  type Holding,
  holding,
  isLocked,
  isStopped,
  notAnswering,
  processorWait,
} from "../../core/client/daemon_process.ts";
import type { Paths } from "../../core/protocol/paths.ts";
import type { StatusReply } from "../../core/protocol/status.ts";
import type { EvsContext } from "../cli/context.ts";

/**
 * A daemon drains within 5 s; after this, and the time that it waited for a processor, it counts as
 * hanging, ms.
 */
const DRAIN_MS = 10_000;
const POLL_MS = 10;
/** What one look at a daemon takes at most, with the pause before it, ms. */
const LONGEST_TRY_MS = 5000;

/** The paths of a context, without those of the system's daemon. */
export function ownPaths({ paths }: EvsContext): Paths {
  return paths.chosen === "nothing" ? { ...paths, chosen: "data-dir" } : paths;
}

/** A client of that daemon. Dispose of it. */
export function ownClient(context: EvsContext): Client {
  const paths = ownPaths(context);
  return new Client({ socket: new DaemonAddress({ paths, clock: context.clock, watch: true }) });
}

/** The daemon's status, or undefined if none is running. Waits for a daemon that is stopping. */
export async function runningDaemon(context: EvsContext): Promise<StatusReply | undefined> {
  const { clock } = context;
  const time = new AwakeTime(clock);
  for (;;) {
    using client = ownClient(context);
    try {
      const status = await client.status();
      // Somebody may be stopping it right now: then it will soon say so.
      await pause(clock, POLL_MS * 5);
      await client.status();
      return status;
    } catch (error) {
      if (error instanceof NoDaemonError) return undefined;
      if (!isGone(error) || isStopped(holding(ownPaths(context)))) throw error;
      // It is starting or stopping; a moment later it is clear which.
      const isLate = time.passed(LONGEST_TRY_MS) >= DRAIN_MS;
      if (error instanceof RemoteError || !isLate) await pause(clock, POLL_MS);
      else throw error;
    }
  }
}

/** What to end: a process if it is known, otherwise the daemon that answers. */
export interface Ending {
  held: Holding | undefined;
  pid: number;
  dataDir: string;
}

/** The daemon that a stop applies to; undefined if none is running. */
export async function daemonToEnd(context: EvsContext): Promise<Ending | undefined> {
  const held = holding(ownPaths(context));
  if (held?.holder !== undefined) {
    return { held, pid: held.holder.pid, dataDir: held.holder.dataDir };
  }
  const status = await runningDaemon(context);
  return status && { held: holding(ownPaths(context)), pid: status.pid, dataDir: status.dataDir };
}

/**
 * Asks a daemon to end, over its socket or by a signal; returns once the daemon has received the
 * request.
 */
export async function askToEnd(context: EvsContext, { held, pid }: Ending): Promise<void> {
  const known = held?.holder !== undefined;
  if (known && isStopped(held)) {
    // It will react as soon as it continues.
    terminate(pid);
    throw notAnswering(held, ownPaths(context));
  }
  context.note(`asking the daemon (pid ${pid}) to stop`);
  using client = ownClient(context);
  try {
    await (await client.fetch({ method: "POST", path: "/v1/shutdown" })).bytes();
  } catch (error) {
    // It may exit before it has answered, or already be stopping; whether it ends is checked
    // afterwards.
    if (!isGone(error)) throw error;
    if (known) terminate(pid);
    // One that has only lost its socket gets the signal and ends in its own time.
    const hasLostSocket = known && !hasSocket(held.holder!);
    if (error instanceof NotAnsweringError && !hasLostSocket) {
      await pause(context.clock, POLL_MS * 30);
      if (!known || hasOpen(pid, held.holder!.dataDir)) throw error;
    }
  }
}

/** Waits until the kernel has released the lock on the data dir: then everything is on disk. */
export async function untilEnded(
  context: EvsContext,
  { held, pid, dataDir }: Ending,
): Promise<void> {
  const { clock } = context;
  const time = new AwakeTime(clock);
  const starved = starvation(processorWait);
  // Another daemon may hold the lock by then: if the process is known, wait for the process
  // instead.
  const runs = held?.holder === undefined ? () => isLocked(dataDir) : () => hasOpen(pid, dataDir);
  while (runs()) {
    if (time.passed(LONGEST_TRY_MS) > DRAIN_MS + starved(held ?? {})) {
      throw new NotAnsweringError(`the daemon (pid ${pid}) has not ended within 10 s`, {
        hint: `evs daemon logs -n 20; kill -9 ${pid} loses nothing that was acknowledged`,
        details: { pid, dataDir },
      });
    }
    await pause(clock, POLL_MS);
  }
}

function terminate(pid: number): void {
  try {
    Deno.kill(pid, "SIGTERM");
  } catch {
    // It has already ended, or belongs to somebody else: the next check will tell.
  }
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(resolve, ms));
}
