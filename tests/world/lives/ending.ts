/** Brings a life to its end: everything heals and settles, and what is there is written down. */
import type { Client } from "../../../core/client/client.ts";
import { examine } from "../../../core/doctor/doctor.ts";
import type { Known } from "./model.ts";
import type { Ending } from "./fact.ts";
import type { Access, Place } from "./place.ts";
import type { Consuming } from "./consuming.ts";
import { contentOf } from "./publishing.ts";
import type { Recorder } from "./recorder.ts";

/** How long everything may take to settle, ms. */
export const PATIENCE_MS = 300_000;
/** A delay of a schedule, and a commit, are over after this time, ms. */
const SETTLED_MS = 70_000;
const LOOK_MS = 500;

/** Handlers for all subscriptions, until nothing is left to do or the time is over. */
export async function settle(
  place: Place,
  { recorder, consuming }: { recorder: Recorder; consuming: Consuming },
): Promise<void> {
  const { subscriptions } = recorder.model;
  await place.as("drain", async (access) => {
    for (const subscription of subscriptions.values()) {
      await consuming.subscribe(subscription, access);
    }
    await access.sleep(SETTLED_MS);
    const until = place.now() + PATIENCE_MS;
    while (place.now() < until && !(await isQuiet(access))) await access.sleep(LOOK_MS);
  });
}

async function isQuiet({ operator }: Access): Promise<boolean> {
  const all = await operator.subscriptions();
  return all.every(({ paused, pending, leased, scheduled }) =>
    paused || pending + leased + scheduled === 0
  );
}

/** What is there. `files`: the bytes of all files of the data. */
export async function endingOf(
  access: Access,
  { place, recorder, files }: {
    place: Place;
    recorder: Recorder;
    files: () => ReadonlyMap<string, Uint8Array>;
  },
): Promise<Ending> {
  const { operator } = access;
  const { model } = recorder;
  const topics: Ending["topics"][number][] = [];
  for (const { name, firstSeq, lastSeq } of await operator.topics()) {
    const events = (await operator.read(name)).map((event) => recorder.seen(event));
    recorder.note({ is: "read", reader: "the end", topic: name, askedAt: place.now(), events });
    topics.push({ name, firstSeq, lastSeq, events });
  }
  const dead = (await operator.deadLetters()).map((one) => ({
    ...one,
    n: model.which(one),
  }));
  const byId = new Map([...model.events.values()].map(({ sent }) => [sent.id, sent.n]));
  const scheduled = (await operator.scheduled()).map(({ id }) => byId.get(id) ?? -1);
  return {
    at: place.now(),
    wall: place.wall(),
    topics,
    subscriptions: await operator.subscriptions(),
    dead,
    scheduled,
    damage: await operator.damage(),
    contents: contentsIn(files(), [...model.events.values()]),
  };
}

/** What `evs doctor` calls damage in the data dir of a daemon that runs, or of none. */
export async function diagnose(
  { dataDir, socket }: { dataDir: string; socket: string },
  client: Client | undefined,
): Promise<string[]> {
  const asked = client && {
    status: await client.status(),
    ask: (path: string) => client.call<unknown>({ method: "GET", path }),
  };
  const room = () => Promise.resolve({ free: 1e12, size: 1e13 });
  const found: string[] = [];
  const context = { dataDir, socket, room, quick: false, now: Date.now(), ...asked };
  for await (const { level, where, what } of examine(context)) {
    if (level === "damage") found.push(`${where}: ${what}`);
  }
  return found;
}

/** Redacted events of which the content is in a file, and in which. */
function contentsIn(
  files: ReadonlyMap<string, Uint8Array>,
  events: readonly Known[],
): Ending["contents"] {
  const decoder = new TextDecoder("latin1");
  const texts = [...files].map(([file, bytes]) => ({ file, text: decoder.decode(bytes) }));
  return events.filter(({ redaction }) => redaction === "done").flatMap(({ sent: { n } }) =>
    texts.filter(({ text }) => text.includes(contentOf(n))).map(({ file, text }) => ({
      n,
      file,
      ...(file.endsWith(".ndjson") ? { seqs: seqsOf(text, contentOf(n)) } : {}),
    }))
  );
}

/** The numbers of the lines that have a piece of text. */
function seqsOf(lines: string, piece: string): number[] {
  return lines.split("\n").filter((line) => line.includes(piece)).flatMap((line) => {
    const [, seq] = /^{"seq":(\d+),/.exec(line) ?? [];
    return seq === undefined ? [] : [Number(seq)];
  });
}
