/**
 * Publishes over the socket. One request is under way at a time; what is published meanwhile goes
 * into the next one, a request per topic, with an answer for each event. Calls keep their order
 * within a topic. Every event gets an id before it is sent. So a request whose response was lost is
 * sent again unchanged: the daemon recognizes by id what it has already stored.
 */
import {
  type PublishOptions,
  refuseSchedule,
  type SplitOptions,
  splitOptions,
} from "../../broker/publish_options.ts";
import type { Clock } from "../../base/clock.ts";
import { defined } from "../../base/defined.ts";
import { ConnectionLostError, type RemoteError } from "../../base/errors.ts";
import { AwakeTime } from "../../base/standstill.ts";
import type { Event } from "../../event/event.ts";
import type { Message } from "../../event/event_map.ts";
import { IdSource } from "../../event/id.ts";
import { capture, makeEvent, optionsOf, scheduledEvent } from "../../broker/publisher.ts";
import { assertTopicName } from "../../event/topic_options.ts";
import { atElement } from "../../broker/element_error.ts";
import {
  type AddressedMessage,
  assertPublishable,
  checkExpectations,
} from "../../broker/publish_all.ts";
import type { Client } from "../client.ts";
import { isGone } from "../consumer/port.ts";
import { remoteErrorOf, segment } from "../endpoint.ts";
import { delay, LONGEST_TRY_MS } from "../feed.ts";
import type { PublishReply } from "../../protocol/protocol.ts";
import type { PublishAllReply } from "../../protocol/publish_all.ts";
import { decodeError, decodeRefusal } from "../decode_error.ts";

/** What publishing needs. */
export interface RemotePublisherContext {
  client: Client;
  clock: Clock;
  /** How long a publish waits for an absent daemon, ms. */
  patienceMs: number;
  /** What publishes have to wait for; undefined if nothing. */
  waits(): Promise<unknown> | undefined;
}

interface Item {
  event: Event;
  /** The publisher gave the timestamp, or nobody else will. */
  stamped: boolean;
  /** The envelope as JSON text. */
  line: string;
}

/** One publish, or one batch of `publishBatch` or `publishAll`. */
interface Job {
  /** Several for `publishAll`: it waits among the jobs of each of them. */
  topics: readonly string[];
  items: Item[];
  /** All or nothing, in one array. */
  whole: boolean;
  /** Each item names its topic. */
  isAddressed?: true;
  expected: SplitOptions["expected"];
  signal: AbortSignal | undefined;
  resolve(events: Event[]): void;
  reject(error: unknown): void;
}

/** Most single events per request. */
const MOST_TOGETHER = 100;
/** Most characters per request; beyond that, the next event waits for another one. */
const MOST_TEXT = 256 * 1024;
/** Time between two attempts to reach the daemon, ms. */
const AGAIN_MS = 100;

const decoder = new TextDecoder();

/** Publishes over the socket, in the order of the calls. */
export class RemotePublisher {
  readonly #context: RemotePublisherContext;
  readonly #ids = new IdSource();
  /** Waiting publishes by topic, in the order of the calls. */
  readonly #jobs = new Map<string, Job[]>();
  #working: Promise<void> | undefined;
  /** Publishes requested so far. */
  count = 0;

  constructor(context: RemotePublisherContext) {
    this.#context = context;
  }

  /** Publishes one value. */
  async publish(
    topic: string,
    what: { type: string; payload: unknown; options: PublishOptions | undefined },
  ): Promise<Event> {
    const split = splitOptions(what.options);
    split.signal?.throwIfAborted();
    assertTopicName(topic);
    const items = [this.#item(topic, what, split)];
    const { expected, signal, schedule } = split;
    const [event] = await this.#submit({
      topics: [topic],
      items,
      whole: schedule !== undefined || (expected !== undefined && expected !== "any"),
      expected,
      signal,
    });
    return event!;
  }

  /** Publishes several values, all or none. */
  async publishBatch(
    topic: string,
    messages: readonly Message[],
    { expected, signal }: Pick<SplitOptions, "expected" | "signal">,
  ): Promise<Event[]> {
    signal?.throwIfAborted();
    assertTopicName(topic);
    const items = messages.map((message) => {
      const split = splitOptions(optionsOf(message));
      refuseSchedule(split);
      return this.#item(topic, message, split);
    });
    if (items.length === 0) return [];
    return await this.#submit({ topics: [topic], items, whole: true, expected, signal });
  }

  /** Publishes values to several topics, all or none. */
  async publishAll(
    messages: readonly AddressedMessage[],
    { signal }: Pick<SplitOptions, "signal">,
  ): Promise<Event[]> {
    signal?.throwIfAborted();
    assertPublishable(messages.length);
    const items = messages.map((message, i) =>
      atElement(i + 1, () => {
        const { topic, expected, ...rest } = message;
        const split = splitOptions(optionsOf(rest));
        const item = this.#item(assertTopicName(topic), message, split);
        const address = JSON.stringify({ topic, expected: checkExpectations(expected, split.key) });
        return { ...item, line: `${address.slice(0, -1)},${item.line.slice(1)}` };
      })
    );
    const topics = new Set(messages.map(({ topic }) => topic));
    // Without a topic there is no queue to wait in.
    if (topics.size === 0) return [];
    return await this.#submit({
      topics: [...topics],
      isAddressed: true,
      items,
      whole: true,
      expected: undefined,
      signal,
    });
  }

  #item(
    topic: string,
    { type, payload }: { type: string; payload: unknown },
    split: SplitOptions,
  ): Item {
    const now = this.#context.clock.now();
    const event: Event = makeEvent({ topic, type, payload }, { split, ids: this.#ids, now });
    const { metadata, payload: bytes } = capture(event, split);
    const { id, key } = event;
    const { schemaVersion, schedule, ttlMs } = split;
    // A scheduled event gets the time of its publishing.
    const timestamp = schedule === undefined ? event.timestamp : split.timestamp;
    const members = { id, type, timestamp, key, schemaVersion, schedule, ttlMs };
    const head = JSON.stringify(members).slice(0, -1);
    return {
      event,
      stamped: timestamp !== undefined,
      line: `${head},"metadata":${metadata},"payload":${decoder.decode(bytes)}}`,
    };
  }

  #submit(job: Omit<Job, "resolve" | "reject">): Promise<Event[]> {
    this.count++;
    return new Promise((resolve, reject) => {
      const queued: Job = { ...job, resolve, reject };
      for (const topic of job.topics) {
        const waiting = this.#jobs.get(topic);
        if (waiting) waiting.push(queued);
        else this.#jobs.set(topic, [queued]);
      }
      this.#working ??= this.#work();
    });
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#working) await this.#working;
  }

  async #work(): Promise<void> {
    // Yield once, so that publishes of the same tick share a request.
    await Promise.resolve();
    while (this.#jobs.size > 0) {
      for (let wait = this.#context.waits(); wait; wait = this.#context.waits()) await wait;
      const jobs = this.#take();
      if (jobs.length === 0) continue;
      try {
        if (jobs[0]!.isAddressed) await this.#sendAddressed(jobs[0]!);
        else if (jobs[0]!.whole) await this.#sendWhole(jobs[0]!);
        else await this.#sendLines(jobs);
      } catch (error) {
        for (const job of jobs) job.reject(decodeError(error));
      }
    }
    // In the same step as the last check for jobs, so that a later one starts a new run.
    this.#working = undefined;
  }

  /** The next jobs that fit in one request. Aborted ones are rejected. Topics take turns. */
  #take(): Job[] {
    const [topic, waiting] = this.#jobs.entries().next().value!;
    this.#jobs.delete(topic);
    const jobs: Job[] = [];
    let text = 0;
    let n = 0;
    for (; n < waiting.length; n++) {
      const job = waiting[n]!;
      if (job.signal?.aborted) {
        this.#leave(job);
        job.reject(job.signal.reason);
        continue;
      }
      // It waits for what was published before it to its other topics.
      if (job.topics.some((other) => other !== topic && this.#jobs.get(other)?.[0] !== job)) break;
      text += job.items[0]!.line.length;
      const isFull = jobs.length >= MOST_TOGETHER || text > MOST_TEXT;
      if (jobs.length > 0 && (isFull || job.whole || jobs[0]!.whole)) break;
      this.#leave(job);
      jobs.push(job);
    }
    if (n < waiting.length) this.#jobs.set(topic, waiting.slice(n));
    return jobs;
  }

  /** Takes a job out of the queues that it is the first in. */
  #leave(job: Job): void {
    if (job.topics.length === 1) return;
    for (const topic of job.topics) {
      const rest = this.#jobs.get(topic)?.filter((other) => other !== job);
      if (rest?.length === 0) this.#jobs.delete(topic);
      else if (rest) this.#jobs.set(topic, rest);
    }
  }

  async #sendAddressed({ items, topics, resolve }: Job): Promise<void> {
    const reply = await this.#send<PublishAllReply>({ items, topics }, {
      path: "/v1/events",
      body: `[${items.map(({ line }) => line)}]`,
      contentType: "application/json",
    });
    resolve(place(items, reply.events));
  }

  async #sendWhole(job: Job): Promise<void> {
    const { topics, items, expected } = job;
    const topic = topics[0]!;
    const body = items.length === 1 ? items[0]!.line : `[${items.map(({ line }) => line)}]`;
    const reply = await this.#send<PublishReply>(job, {
      path: pathOf(topic),
      body,
      query: typeof expected === "object"
        ? { expectedKeySeq: String(expected.keySeq) }
        : { expected: expected?.toString() },
      contentType: "application/json",
    });
    const events = reply.events
      ? place(items, reply.events)
      : await this.#lookUp(topic, items, reply);
    const { stamped } = items[0]!;
    job.resolve(
      reply.scheduled === undefined
        ? events
        : events.map((event) => scheduledEvent(event, { ...reply.scheduled!, stamped })),
    );
  }

  async #sendLines(jobs: readonly Job[]): Promise<void> {
    const { topics } = jobs[0]!;
    const items = jobs.map((job) => job.items[0]!);
    const reply = await this.#send<PublishReply>({ items, topics }, {
      path: pathOf(topics[0]!),
      body: items.map(({ line }) => `${line}\n`).join(""),
      query: { onError: "skip" },
      contentType: "application/x-ndjson",
    }, { isPartial: true });
    const refused = new Map(reply.refused.map((fault) => [fault.line, fault]));
    if (reply.failure) return settlePartly(jobs, { ...reply, failure: reply.failure });
    const taken = items.filter((_, i) => !refused.has(i + 1));
    const events = place(taken, reply.events ?? []);
    let at = 0;
    for (const [i, job] of jobs.entries()) {
      const fault = refused.get(i + 1);
      if (fault) job.reject(decodeRefusal(fault));
      else job.resolve([events[at++]!]);
    }
  }

  /**
   * Sends one request, and repeats it unchanged while the daemon is away, for up to `patienceMs`. A
   * failure before which some of it was stored is a reply with that `failure`, if `isPartial`.
   */
  async #send<Reply>(
    of: Pick<Job, "items" | "topics">,
    request: {
      path: string;
      body: string;
      query?: Record<string, string | undefined>;
      contentType: string;
    },
    { isPartial = false }: { isPartial?: boolean } = {},
  ): Promise<Reply & { failure?: RemoteError }> {
    const { client, clock, patienceMs } = this.#context;
    let away: AwakeTime | undefined;
    for (;;) {
      try {
        const response = await client.fetchAny({ method: "POST", ...request });
        if (response.status < 400) return await response.json<Reply & { failure?: RemoteError }>();
        const text = await response.text();
        const error = remoteErrorOf(text, response.status);
        if (isGone(error) || !isPartial || !hasEvents(text)) throw error;
        return { ...JSON.parse(text) as Reply, failure: error };
      } catch (error) {
        if (!isGone(error)) throw error;
        const isFirst = away === undefined;
        away ??= new AwakeTime(clock);
        if (away.passed(LONGEST_TRY_MS) >= patienceMs) {
          throw unknown(of, error);
        }
        // An idle connection may just have been closed: the first retry is immediate.
        if (!isFirst) await delay(clock, Math.min(AGAIN_MS, patienceMs));
      }
    }
  }

  /** Looks up the seqs of a large array, which the response does not list. */
  async #lookUp(topic: string, items: readonly Item[], reply: PublishReply): Promise<Event[]> {
    const { client } = this.#context;
    const events: NonNullable<PublishReply["events"]> = [];
    const found = new Map<string, Event>();
    if (reply.firstSeq > 0) {
      const stored = await client.read({
        topic: [topic],
        from: String(reply.firstSeq),
        to: String(reply.lastSeq),
      });
      for await (const line of stored.lines()) {
        const event = JSON.parse(decoder.decode(line)) as Event;
        found.set(event.id, event);
      }
    }
    for (const { event: { id } } of items) {
      const event = found.get(id) ??
        JSON.parse(decoder.decode(await client.event(topic, id))) as Event;
      const { seq, schemaVersion, expiresAt, keySeq } = event;
      events.push({ seq: seq!, id, schemaVersion, expiresAt, keySeq });
    }
    return place(items, events);
  }
}

/** True for the body of a failure that lists events that were stored before it. */
function hasEvents(text: string): boolean {
  try {
    const { events } = JSON.parse(text) as Partial<PublishReply>;
    return Array.isArray(events) && events.length > 0;
  } catch {
    return false; // not JSON: nothing is known of events
  }
}

/** Some of the lines were stored before the others failed. */
function settlePartly(
  jobs: readonly Job[],
  { events = [], refused, failure }: PublishReply & { failure: RemoteError },
): void {
  const stored = new Map(events.map((event) => [event.id, event]));
  for (const [i, { items, resolve, reject }] of jobs.entries()) {
    const fault = refused.find(({ line }) => line === i + 1);
    const there = stored.get(items[0]!.event.id);
    if (fault) reject(decodeRefusal(fault));
    else if (there) resolve(place(items, [there]));
    else reject(decodeError(failure));
  }
}

/** The events with the fields assigned by the daemon; without a seq if none was assigned. */
function place(
  items: readonly Item[],
  places: NonNullable<PublishReply["events"]>,
): Event[] {
  return items.map(({ event }, i) => {
    const { seq, schemaVersion, expiresAt, keySeq } = places[i]!;
    const placed = { ...event, ...defined({ expiresAt, keySeq }) };
    return seq === 0 ? { ...placed, schemaVersion } : { seq, ...placed, schemaVersion };
  });
}

function pathOf(topic: string): string {
  return `/v1/topics/${segment(topic)}/events`;
}

function unknown(
  { items, topics }: Pick<Job, "items" | "topics">,
  cause: unknown,
): ConnectionLostError {
  const ids = items.map(({ event }) => event.id);
  const what = ids.length === 1 ? `the event ${ids[0]}` : `these ${ids.length} events`;
  return new ConnectionLostError(
    `the daemon did not come back: it is not known whether ${what} of ${
      topics.join(", ")
    } reached it`,
    {
      cause,
      hint: "publish again with the same id: what is stored already is not stored twice",
      details: { topic: topics[0], ids, ...(topics.length > 1 ? { topics } : {}) },
    },
  );
}
