/** NDJSON that the server sends as it comes: the log, the doctor. */
import { useEffect, useState } from "../packages/preact.ts";
import { RequestFailure, send } from "./api.ts";
import { lineBatches } from "./lines.ts";

/** What has come so far. */
export interface Streamed {
  lines: readonly string[];
  isEnded: boolean;
  failure: RequestFailure | undefined;
}

const AGAIN_MS = 1_000;

/** Reads `path`; without one nothing. `most`: only the last lines are kept. */
export function useStream(
  path: string | undefined,
  { most, isEndless = false }: { most: number; isEndless?: boolean },
): Streamed {
  const [streamed, set] = useState<Streamed>(NOTHING);
  useEffect(() => {
    set(NOTHING);
    if (path === undefined) return;
    const { signal, abort } = abortable();
    const read = async () => {
      let lines: string[] = [];
      try {
        const response = await send(path, { signal });
        for await (const batch of lineBatches(response.body!)) {
          lines = [...lines, ...batch].slice(-most);
          set({ lines, isEnded: false, failure: undefined });
        }
        set({ lines, isEnded: true, failure: undefined });
      } catch (error) {
        if (signal.aborted) return;
        const failure = error instanceof RequestFailure ? error : undefined;
        set((before) => ({ ...before, isEnded: true, failure }));
        if (failure !== undefined && !failure.isAway) return;
      }
      if (isEndless && !signal.aborted) setTimeout(() => void read(), AGAIN_MS);
    };
    void read();
    return abort;
  }, [path]);
  return streamed;
}

const NOTHING: Streamed = { lines: [], isEnded: false, failure: undefined };

function abortable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
