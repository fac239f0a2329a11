/** Samples of the daemon's metrics since the page was opened: what the live charts draw. */
import { useEffect, useState } from "../packages/preact.ts";
import { type Sample, sampleOf } from "../view/metrics_text.ts";
import { RequestFailure, send } from "./api.ts";
import { Signal } from "./signal.ts";

const EVERY_MS = 2_000;
/** A scrape is expensive with many subscriptions: at most one twentieth of the daemon's time. */
const SHARE = 20;
/** At least twenty minutes. */
const MOST = 600;

const samples = new Signal<readonly Sample[]>([]);
let isSampling = false;

async function sample(): Promise<void> {
  const began = performance.now();
  if (document.visibilityState === "visible") {
    try {
      const text = await (await send("/metrics")).text();
      samples.set([...samples.value, sampleOf(text, Date.now())].slice(-MOST));
    } catch (error) {
      // The banner says that nobody answers; a chart without numbers says the rest.
      if (!(error instanceof RequestFailure)) throw error;
    }
  }
  const took = performance.now() - began;
  setTimeout(() => void sample(), Math.max(EVERY_MS, took * SHARE));
}

/** The samples so far. The first to ask starts the sampling, which goes on on other pages. */
export function useSamples(): readonly Sample[] {
  const [, render] = useState({});
  useEffect(() => {
    if (!isSampling) {
      isSampling = true;
      void sample();
    }
    return samples.watch(() => render({}));
  }, []);
  return samples.value;
}
