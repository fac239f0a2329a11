/** What a seek would do, in words. Pure. */
import type { SeekReply } from "../../core/protocol/protocol.ts";
import { countNoun } from "./format.ts";

/** The effect on the events in between. */
export function seekEffect({ redo, skip }: Pick<SeekReply, "redo" | "skip">): string {
  const parts = [
    ...(redo > 0 ? [`delivers ${countNoun(redo, "event")} again`] : []),
    ...(skip > 0 ? [`skips ${countNoun(skip, "event")} for good`] : []),
  ];
  return parts.length === 0 ? "moves nothing" : parts.join(" and ");
}
