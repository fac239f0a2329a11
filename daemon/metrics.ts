/**
 * The daemon's counters, and the text of its metrics: Prometheus' text format 0.0.4, or OpenMetrics
 * 1.0.0 for those who ask for it.
 */
import { type Clock, systemClock } from "../core/base/clock.ts";
import type { Histogram } from "../core/base/histogram.ts";
import type { TopicMeter } from "../core/broker/topic_meters.ts";
import { DeliveryTally } from "../core/delivery/delivery_tally.ts";
import type { RecentRefusal } from "../core/protocol/status.ts";
import { LabelSlots } from "./label_slots.ts";

/** How many topics, and how many subscriptions, have metrics of their own. */
const MOST_LABELLED = 1000;

/** What is refused is counted by quarters of a minute. */
const QUARTER = 15_000;
/** How many of them five minutes have, and the current one. */
const LATELY = 20 + 1;

function increase(counts: Map<string, number>, code: string, by = 1): void {
  counts.set(code, (counts.get(code) ?? 0) + by);
}

/**
 * What publishers are prepared for: an expectation does not hold because somebody else was faster,
 * or the daemon is being restarted. It is counted, and nobody has to look at it.
 */
const NORMAL: ReadonlySet<string> = new Set(["event/conflict", "daemon/stopping"]);

/** Counters increase for the life of the process; gauges are computed when they are read. */
export class Metrics {
  requests = 0;
  errors = 0;
  refused = 0;
  refusedConnections = 0;
  /** How often there was no descriptor left to accept a connection. */
  descriptorExhaustions = 0;
  /** Followers connected now. */
  tails = 0;
  /** How long the last text of these metrics was, bytes. The next one will be about as long. */
  textBytes = 0;
  /** What publishers were refused, by the code of the error. */
  readonly refusals = new Map<string, number>();
  /** Events published to topics that are gone, of those without metrics of their own. */
  gonePublished = 0;
  /** The same for the deliveries of subscriptions. */
  readonly goneDeliveries = new DeliveryTally();
  readonly topics = new LabelSlots<TopicMeter | undefined>(MOST_LABELLED, (meter) => {
    this.gonePublished += meter?.published ?? 0;
  });
  readonly subscriptions = new LabelSlots<DeliveryTally>(
    MOST_LABELLED,
    (tally) => this.goneDeliveries.add(tally),
  );

  /** The same of the last quarters of a minute, oldest first, without what is normal. */
  #lately: { quarter: number; counts: Map<string, number> }[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Counts an event, or a publish as a whole, that was not stored. */
  refuse(code: string): void {
    this.refused++;
    increase(this.refusals, code);
    if (NORMAL.has(code)) return;
    const quarter = this.#quarter();
    if (this.#lately.at(-1)?.quarter !== quarter) this.#lately.push({ quarter, counts: new Map() });
    increase(this.#lately.at(-1)!.counts, code);
    this.#forget(quarter);
  }

  /** What was refused in the last five minutes and needs a look, most first. */
  refusedLately(): RecentRefusal[] {
    this.#forget(this.#quarter());
    const sums = new Map<string, number>();
    for (const { counts } of this.#lately) {
      for (const [code, count] of counts) increase(sums, code, count);
    }
    return Array.from(sums, ([code, count]) => ({ code, count }))
      .sort((a, b) => b.count - a.count);
  }

  #quarter(): number {
    return Math.floor(this.#clock.monotonic() / QUARTER);
  }

  #forget(quarter: number): void {
    this.#lately = this.#lately.filter((one) => quarter - one.quarter < LATELY);
  }
}

/** Some samples of one name. */
export interface Family {
  /** With `_total` where it is a counter. */
  name: string;
  help: string;
  type: "counter" | "gauge" | "histogram";
  /** The base unit, which is also the last word of the name. */
  unit?: "seconds" | "bytes";
}

/** The labels of a sample, as they are written between braces; empty: none. */
export type Labels = string;

/** One label. */
export function label(name: string, value: string): Labels {
  const escaped = value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `${name}="${escaped}"`;
}

/** Which of the two formats. */
export type MetricsFormat = "text" | "openmetrics";

/** The content type of each format. */
export const METRICS_TYPES: Readonly<Record<MetricsFormat, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** The format that an `Accept` header asks for. */
export function formatFor(accept: string | undefined): MetricsFormat {
  const weights = { text: 0, openmetrics: 0 };
  for (const range of (accept ?? "*/*").toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const given = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const weight = given === undefined ? 1 : Number(given) || 0;
    if (type === "application/openmetrics-text") {
      weights.openmetrics = Math.max(weights.openmetrics, weight);
    } else if (type === "text/plain") weights.text = Math.max(weights.text, weight);
  }
  return weights.openmetrics > 0 && weights.openmetrics >= weights.text ? "openmetrics" : "text";
}

const encoder = new TextEncoder();
/** How much text is turned into bytes together. */
const TOGETHER = 8192;
/** Enough for the bytes of that, and for some more families than the last time. */
const SPARE_BYTES = 64 * 1024;

/**
 * Writes families, each with all of its samples. Turned into bytes a little at a time, which costs
 * half of what one string of a hundred thousand pieces does.
 */
export class Exposition {
  readonly #isOpen: boolean;
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;
  /** What is not in the bytes yet. */
  #text = "";
  #name = "";

  /** `expected`: about how many bytes it will have. Then it is not copied while it grows. */
  constructor(format: MetricsFormat, expected = 0) {
    this.#isOpen = format === "openmetrics";
    this.#bytes = new Uint8Array(expected + SPARE_BYTES);
  }

  /** Begins a family. */
  family({ name, help, type, unit }: Family): this {
    this.#name = name;
    const named = this.#isOpen && type === "counter" ? name.slice(0, -"_total".length) : name;
    this.#text += `# HELP ${named} ${help}\n# TYPE ${named} ${type}\n`;
    // In the text format that is a comment.
    if (unit !== undefined) this.#text += `# UNIT ${named} ${unit}\n`;
    return this;
  }

  /** Adds a sample of a counter or a gauge. */
  sample(value: number, labels: Labels = ""): this {
    this.#text += labels === ""
      ? `${this.#name} ${numeral(value)}\n`
      : `${this.#name}{${labels}} ${numeral(value)}\n`;
    if (this.#text.length > TOGETHER) this.#encode();
    return this;
  }

  /** Adds a distribution. */
  histogram({ bounds, counts, sum }: Histogram, labels: Labels = ""): this {
    const name = this.#name;
    const [before, braced] = labels === "" ? ["", ""] : [`${labels},`, `{${labels}}`];
    // The same for each bucket: most of the text of all metrics is such lines.
    const begin = `${name}_bucket{${before}`;
    let count = 0;
    let buckets = "";
    for (let i = 0; i < counts.length; i++) {
      count += counts[i]!;
      buckets += begin + boundEnd(bounds[i] ?? Infinity) + count + "\n";
    }
    this.#text += buckets + `${name}_sum${braced} ${numeral(sum)}\n` +
      `${name}_count${braced} ${count}\n`;
    if (this.#text.length > TOGETHER) this.#encode();
    return this;
  }

  /** All of it. */
  end(): Uint8Array {
    if (this.#isOpen) this.#text += "# EOF\n";
    this.#encode();
    return this.#bytes.subarray(0, this.#length);
  }

  #encode(): void {
    const most = this.#length + 3 * this.#text.length;
    if (most > this.#bytes.length) {
      const bytes = new Uint8Array(2 * most);
      bytes.set(this.#bytes);
      this.#bytes = bytes;
    }
    this.#length += encoder.encodeInto(this.#text, this.#bytes.subarray(this.#length)).written;
    this.#text = "";
  }
}

function numeral(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

const boundEnds = new Map<number, string>();

/**
 * The bound of a bucket as the last label of a line, up to the value. OpenMetrics wants a point in
 * it; to Prometheus it is a label's value, the same in both formats.
 */
function boundEnd(value: number): string {
  let known = boundEnds.get(value);
  if (known === undefined) {
    const text = Number.isInteger(value) ? `${value}.0` : numeral(value);
    boundEnds.set(value, known = `${label("le", text)}} `);
  }
  return known;
}
