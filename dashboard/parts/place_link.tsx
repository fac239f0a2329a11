/** Links inside the dashboard. */
/** @jsx h */
import { type ComponentChildren, h } from "../packages/preact.ts";
import { escapeText } from "../view/format.ts";
import { hashOf } from "../view/place.ts";

/** To a topic. */
export function TopicLink({ name, children }: { name: string; children?: ComponentChildren }) {
  return <a href={hashOf(["topics", name])}>{children ?? escapeText(name)}</a>;
}

/** To a subscription. */
export function SubscriptionLink({ name }: { name: string }) {
  return <a href={hashOf(["subscriptions", name])}>{escapeText(name)}</a>;
}

/** To an event. */
export function EventLink(
  { topic, seq, children }: { topic: string; seq: string | number; children?: ComponentChildren },
) {
  return <a href={hashOf(["topics", topic, String(seq)])}>{children ?? String(seq)}</a>;
}
