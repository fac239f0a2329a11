/** Says that nobody answers, and what to type. It goes away by itself. */
/** @jsx h */
import { h, useEffect, useState } from "../packages/preact.ts";
import { type Reach, reach } from "../data/reach.ts";
import { useSignal } from "../data/signal.ts";
import { spanText } from "../view/format.ts";

const WORDS: Record<Exclude<Reach["state"], "here">, { text: string; hint: string }> = {
  "daemon-away": {
    text: "The daemon does not answer.",
    hint:
      "What is shown is from before. This page goes on by itself when it is back: evs daemon start",
  },
  "dashboard-away": {
    text: "evs dashboard does not answer.",
    hint: "Was it stopped? Start it again and open the link that it prints.",
  },
  "no-session": {
    text: "This browser is not signed in.",
    hint: "Open the link that evs dashboard printed. A new start of it ends what was open before.",
  },
};

/** Nothing while all is well. */
export function Banner() {
  const now = useSignal(reach);
  const [, tick] = useState({});
  useEffect(() => {
    if (now.state === "here") return;
    const timer = setInterval(() => tick({}), 1_000);
    return () => clearInterval(timer);
  }, [now]);
  if (now.state === "here") return null;
  const { text, hint } = WORDS[now.state];
  return (
    <div class="banner">
      <p role="alert">
        <strong>{text}</strong> {hint}
      </p>
      <p class="quiet">For {spanText(Date.now() - now.since)}</p>
    </div>
  );
}
