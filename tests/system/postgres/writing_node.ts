/**
 * A node for tests: several publishers that append to one topic until they are killed. Each event
 * is told as a line before it is sent and as one after it was acknowledged, so that a parent knows
 * what must be there.
 */
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { newEvent, stored } from "../../../testing/new_event.ts";
import { say } from "./say.ts";

const [url, name, writers] = Deno.args;
// It waits for a server that is away just now.
const store = new PostgresEventStore(url!);

async function write(writer: number): Promise<void> {
  for (let n = 0;; n++) {
    // Ids as if the store had been given none: what is stored twice is there twice.
    const ids = [0, 1, 2].map((i) => `${name}-${writer}-${n}-${i}`);
    const events = ids.map((id) => ({ ...newEvent({ key: `k${writer}` }), id }));
    say(`sent ${ids.join(" ")}`);
    const { firstSeq } = stored((await store.append([{ topic: "t", events }]))[0]);
    say(`acked ${firstSeq} ${ids.join(" ")}`);
  }
}

say("ready");
await Promise.all(Array.from({ length: Number(writers) }, (_, i) => write(i)));
