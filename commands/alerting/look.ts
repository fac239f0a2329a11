/** Looks at a daemon for `evs alert`: what it asks, and which values come of it. */
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import type { HealthReply, RecentRefusal, StatusReply } from "../../core/protocol/status.ts";
import type { Client } from "../../core/client/client.ts";
import { remoteErrorOf } from "../../core/client/endpoint.ts";
import { EvsError } from "../../core/base/errors.ts";
import { roomAt } from "../check/disk.ts";
import {
  agoOf,
  type DiskRoom,
  isAgeUnknown,
  lagOf,
  percentFree,
  refusalsOf,
  words,
} from "../check/measures.ts";
import type { WatchedLimits } from "./limit.ts";
import type { ClockTimes, Look, MeasuredValue } from "./machine.ts";

/** Measures of subscriptions. */
const OF_SUBSCRIPTIONS = ["dlq", "lag", "age", "leased"] as const;

/** What a daemon and a disk told; what is absent could not be seen. */
export interface Sightings {
  /** Why the daemon did not answer, and since when it was asked, monotonic ms; absent: it did. */
  silent?: { error: EvsError; from: number };
  subscriptions?: readonly SubscriptionInfo[];
  /** Their dead letters in open groups, of those where some were dismissed or resolved. */
  open?: ReadonlyMap<string, number>;
  /** Present if that was asked. */
  refused?: readonly RecentRefusal[];
  disk?: DiskRoom;
  /** Present if that was asked. */
  status?: Pick<StatusReply, "health" | "problems" | "cluster">;
}

/** A reading with what it was read from. */
export interface SubscriptionValue extends MeasuredValue {
  info?: SubscriptionInfo;
}

/** The values of what was seen. Pure. */
export function lookOf(
  seen: Sightings,
  { limits, now }: { limits: WatchedLimits; now: ClockTimes },
): Look & { readings: SubscriptionValue[] } {
  const readings: SubscriptionValue[] = [];
  const unseen: Look["unseen"][number][] = [];
  const { silent, subscriptions, open, refused, disk, status } = seen;
  for (const measure of OF_SUBSCRIPTIONS) {
    if (limits[measure] === undefined) continue;
    if (subscriptions === undefined) unseen.push({ measure, subscription: "*" });
    for (const info of subscriptions ?? []) {
      const { name } = info;
      if (measure === "age" && isAgeUnknown(info)) {
        unseen.push({ measure, subscription: name });
        continue;
      }
      const value = Math.round(valueOf(measure, { info, open: open?.get(name) }, now.wall));
      const said = () => words[measure](value, name);
      readings.push({ measure, subscription: name, value, words: said, info });
    }
  }
  if (refused !== undefined) {
    const said = () => words.refused(refused);
    readings.push({ measure: "refused", value: refusalsOf(refused), words: said });
  } else unseen.push({ measure: "refused", subscription: "*" });
  if (disk !== undefined) {
    const value = limits.disk?.unit === "bytes" ? disk.free : percentFree(disk);
    readings.push({ measure: "disk", value, words: () => words.disk(disk) });
  } else unseen.push({ measure: "disk", subscription: "*" });
  const { cluster } = status ?? {};
  if (cluster === undefined) unseen.push(...OF_CLUSTER);
  else {
    const value = cluster.nodes.filter(({ alive }) => alive).length;
    readings.push({ measure: "nodes", value, words: () => words.nodes(cluster) });
    const age = cluster.oldestSnapshotMs;
    readings.push({ measure: "snapshot", value: age, words: () => words.snapshot(cluster) });
  }
  if (status === undefined) unseen.push({ measure: "degraded", subscription: "*" });
  else {
    const { health, problems } = status;
    const said = () => problems.length === 0 ? `the daemon is ${health}` : problems.join("; ");
    readings.push({ measure: "degraded", value: problems.length, words: said });
  }
  readings.push(
    silent === undefined
      ? { measure: "down", value: 0, words: () => "the daemon answers" }
      : { measure: "down", value: 1, from: silent.from, words: () => silent.error.message },
  );
  return { readings, unseen };
}

function valueOf(
  measure: (typeof OF_SUBSCRIPTIONS)[number],
  { info, open = info.dead }: { info: SubscriptionInfo; open: number | undefined },
  now: number,
): number {
  switch (measure) {
    case "dlq":
      return open;
    case "lag":
      return lagOf(info);
    case "age":
      return agoOf(info.oldestPendingAt, now);
    case "leased":
      return agoOf(info.leasedSince, now);
  }
}

/** What {@link see} asks with. */
export interface SeeOptions {
  client: Client;
  limits: WatchedLimits;
  isWatched: (subscription: string) => boolean;
  /** The data dir, as far as it is known. */
  dataDir: () => string | undefined;
  monotonic: () => number;
  /** Asks what else has to be known, before anything else. */
  learn: () => Promise<void>;
  /** The disk could not be seen, for people; undefined: it can. */
  noteDisk: (trouble: string | undefined) => void;
}

const OF_CLUSTER = [
  { measure: "nodes", subscription: "*" },
  { measure: "snapshot", subscription: "*" },
] as const;

/** Asks the daemon, as little as the limits need, and the file system. */
export async function see(options: SeeOptions): Promise<Sightings> {
  const seen: Sightings = {};
  const from = options.monotonic();
  try {
    await options.learn();
    await ask(options, seen);
  } catch (error) {
    // Whatever kept the daemon from answering: nothing is known of it.
    if (!(error instanceof EvsError)) throw error;
    delete seen.subscriptions;
    delete seen.open;
    delete seen.refused;
    seen.silent = { error, from };
  }
  if (options.limits.disk !== undefined) seen.disk = await diskOf(options);
  return seen;
}

async function ask(options: SeeOptions, seen: Sightings): Promise<void> {
  const { client, limits } = options;
  const ofStatus = ["nodes", "snapshot", "degraded"] as const;
  // First: it is told also while the database of all else is away.
  if (ofStatus.some((measure) => limits[measure] !== undefined)) {
    seen.status = await client.status();
  }
  const ofSubscriptions = OF_SUBSCRIPTIONS.some((measure) => limits[measure] !== undefined);
  if (ofSubscriptions) seen.subscriptions = await client.subscriptions();
  if (limits.dlq !== undefined) seen.open = await openOf(seen.subscriptions ?? [], options);
  if (ofSubscriptions && limits.refused === undefined) return;
  seen.refused = (await healthOf(client)).refused ?? [];
}

/** Asks for groups only where some of them are not open. */
async function openOf(
  subscriptions: readonly SubscriptionInfo[],
  { client, isWatched }: SeeOptions,
): Promise<Map<string, number>> {
  const open = new Map<string, number>();
  const dying = subscriptions.filter(({ name, dead }) => dead > 0 && isWatched(name));
  if (dying.length === 0) return open;
  const { deadLetters, deadLettersOpen = deadLetters } = await client.status();
  if (deadLettersOpen === deadLetters) return open;
  for (const { name } of dying) {
    const groups = await client.deadLetterGroups({ subscription: name });
    open.set(name, groups.reduce((sum, { count }) => sum + count, 0));
  }
  return open;
}

/** A daemon that is degraded answers with 503, and with the same body. */
async function healthOf(client: Client): Promise<HealthReply> {
  const response = await client.fetchAny({ method: "GET", path: "/v1/health" });
  const text = await response.text();
  if (response.status !== 200 && response.status !== 503) {
    throw remoteErrorOf(text, response.status);
  }
  const reply: Partial<HealthReply> = JSON.parse(text);
  if (reply.health === undefined) throw remoteErrorOf(text, response.status);
  return reply as HealthReply;
}

async function diskOf({ dataDir, noteDisk }: SeeOptions): Promise<DiskRoom | undefined> {
  const folder = dataDir();
  if (folder === undefined) return undefined;
  try {
    const room = { folder, ...await roomAt(folder) };
    noteDisk(undefined);
    return room;
  } catch (error) {
    if (!(error instanceof EvsError)) throw error;
    noteDisk(error.message);
    return undefined;
  }
}
