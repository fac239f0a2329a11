/** What was done, told to everybody: shown for a while, and read aloud by screen readers. */
import { Signal } from "./signal.ts";

/** A short text, and at most one thing to do about it. */
export interface PageNotice {
  id: number;
  text: string;
  tone: "good" | "bad";
  action?: { label: string; run: () => void };
}

/** Newest last. */
export const notices: Signal<readonly PageNotice[]> = new Signal<readonly PageNotice[]>([]);

const SHOWN_MS = 12_000;
const MOST = 4;
let last = 0;

/** Shows it. One with an action stays until it is closed. */
export function notify(text: string, about: Partial<Omit<PageNotice, "id" | "text">> = {}): void {
  const notice = { id: ++last, text, tone: "good" as const, ...about };
  notices.set([...notices.value, notice].slice(-MOST));
  if (notice.action === undefined) setTimeout(() => closeNotice(notice.id), SHOWN_MS);
}

/** Takes it away. */
export function closeNotice(id: number): void {
  notices.set(notices.value.filter((notice) => notice.id !== id));
}
