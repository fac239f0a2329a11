/** What an act would do, asked for while its form is filled in. */
import { useEffect, useState } from "../packages/preact.ts";
import { RequestFailure } from "./api.ts";

/** What is known of it. */
export interface Preview<T> {
  data?: T;
  failure?: RequestFailure;
}

/** Somebody who types is not answered at each key. */
const SETTLED_MS = 250;

/** Asks when `key` has not changed for a moment. Without a key there is nothing to ask. */
export function usePreview<T>(
  key: string | undefined,
  load: (signal: AbortSignal) => Promise<T>,
): Preview<T> {
  const [known, setKnown] = useState<Preview<T> & { key?: string }>({});
  useEffect(() => {
    if (key === undefined) return;
    const asking = new AbortController();
    const timer = setTimeout(async () => {
      try {
        setKnown({ key, data: await load(asking.signal) });
      } catch (error) {
        if (asking.signal.aborted) return;
        if (!(error instanceof RequestFailure)) throw error;
        setKnown({ key, failure: error });
      }
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
      asking.abort();
    };
  }, [key]);
  return known.key === key ? known : {};
}
