/**
 * The part of a read that goes on: what is new is sent when it comes. What all followers alike get
 * of a commit goes to the response without a detour over {@link sendNew}, in bytes that are made
 * once for all of them. Everything else (what is read from the store, and what has a limit) takes
 * that way.
 */
import type { Render } from "../../core/reading/replay.ts";
import { Tail, type TailOptions, type TailSource } from "../../core/reading/tail.ts";
import type { Heartbeat } from "../http/heartbeat.ts";
import type { LinesReply } from "../http/lines_reply.ts";

/** Where the events of a read go. */
export interface Sending {
  out: LinesReply;
  /** Writes the notices that wait. */
  notices: { write(out: LinesReply): Promise<void> };
  beat: Heartbeat | undefined;
  signal: AbortSignal;
}

/** What a read follows, and where to. */
export interface FollowOptions extends Omit<TailOptions, "take"> {
  out: LinesReply;
  beat: Heartbeat | undefined;
  /** Events are counted. */
  limited: EventLimit | undefined;
}

/** A tail that goes on when there is room for more. */
export function openTail(
  source: TailSource,
  { out, beat, limited, ...options }: FollowOptions,
): Tail {
  const take = (bytes: Uint8Array) => {
    beat?.sent();
    out.writeShared(bytes);
  };
  const tail = new Tail(source, limited ? { ...options, stateless: false } : { ...options, take });
  out.onRoom = () => tail.goOn();
  return tail;
}

/** Sends what is new until the end; resolves when nobody waits for more. */
export async function sendNew(
  tail: Tail,
  { out, notices, beat, signal, isOver }: Sending & { isOver(): boolean },
): Promise<void> {
  while (!isOver() && !signal.aborted) {
    const next = tail.next();
    const { isWaiting } = tail;
    const bytes = await (beat?.during(next) ?? next);
    if (!bytes) break;
    await notices.write(out);
    const shared = tail.isShared;
    await (isWaiting ? out.writeAtOnce(bytes, { shared }) : out.write(bytes, { shared }));
  }
}

/** Limits the number of events of a reader that goes from stored events to new ones. */
export class EventLimit {
  #left: number;
  readonly #format: Render;

  constructor(limit: number, format: Render) {
    this.#left = limit;
    this.#format = format;
  }

  get reached(): boolean {
    return this.#left === 0;
  }

  readonly render: Render = (events) => {
    const taken = events.slice(0, this.#left);
    this.#left -= taken.length;
    return this.#format(taken);
  };
}
