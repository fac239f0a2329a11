/** A short word about a state. The colour only repeats what the word says. */
/** @jsx h */
import { type ComponentChildren, h } from "../packages/preact.ts";
import type { Tone } from "../view/tone.ts";

/** The word. */
export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}
