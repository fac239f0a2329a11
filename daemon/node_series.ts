/**
 * The metrics that only a daemon has whose database other nodes share. Those of the database and of
 * all nodes are the same on each of them (docs/monitoring.md says which).
 */
import { VERSION } from "../core/base/version.ts";
import type { SubscriptionDriver } from "../core/delivery/driver.ts";
import { partsIn } from "../core/event/part.ts";
import type { NodeInfo } from "../core/protocol/node.ts";
import type { NodeFacts } from "../core/state/postgres/shared_postgres.ts";
import type { SharedSubscriptions } from "./cluster.ts";
import { type DatabaseReach, isSynchronous } from "./database_reach.ts";
import { type Exposition, label } from "./metrics.ts";

/** What is told. */
export interface NodeSeries extends SharedSubscriptions {
  /** The name of this node. */
  node: string;
  facts: NodeFacts | undefined;
  /** Those of the events. */
  connections: number;
  reach: Pick<DatabaseReach, "problem" | "isThere" | "cluster">;
}

/** Adds them. What is not known is left out. */
export function writeNodeSeries(out: Exposition, of: NodeSeries): void {
  const { cluster, isThere } = of.reach;
  const info = [
    label("node", of.node),
    label("version", VERSION),
    label("database", cluster?.database ?? ""),
  ];
  gauge(out, "node_info", "1; the labels say which node it is, and of which database.")
    .sample(1, info.join());
  gauge(out, "database_up", "1 while the database answers.").sample(isThere ? 1 : 0);
  writeOwn(out, of);
  writeParts(out, of);
  if (cluster === undefined) return;
  gauge(out, "nodes", "Nodes of the database, by their state.");
  for (const [state, count] of countsOf(cluster.nodes)) out.sample(count, label("state", state));
  gauge(out, "database_durable", "1 while what is acknowledged survives a power cut of the server.")
    .sample(cluster.durable ? 1 : 0);
  gauge(out, "database_standbys", "Standbys that commits wait for.")
    .sample(cluster.standbys.filter(isSynchronous).length);
  seconds(out, "database_oldest_snapshot", {
    help: "Age of the oldest transaction that keeps dead rows.",
    ms: cluster.oldestSnapshotMs,
  });
}

/** What this node alone knows. */
function writeOwn(out: Exposition, { facts, connections }: NodeSeries): void {
  if (facts === undefined) return;
  const { owned, beatAge, wakeUpDelay, tally } = facts;
  const { claimed, takenOver, lost, fenced } = tally;
  gauge(out, "node_parts", "Parts of subscriptions that it owns.").sample(owned);
  gauge(out, "node_connections", "Connections to the database.")
    .sample(facts.connections + connections);
  seconds(out, "node_heartbeat_age", { help: "Since it said last that it is there.", ms: beatAge });
  seconds(out, "node_wake_up_delay", {
    help: "How long a wake-up took that came back to where it was sent.",
    ms: wakeUpDelay,
  });
  const counters: [name: string, help: string, value: number][] = [
    ["node_parts_claimed_total", "Parts that it has claimed since the start.", claimed],
    ["node_takeovers_total", "Parts of nodes that were gone, claimed since the start.", takenOver],
    ["node_parts_lost_total", "Parts that others took over from it since the start.", lost],
    ["node_fenced_commits_total", "Commits that others were faster than, since the start.", fenced],
  ];
  for (const [name, help, value] of counters) {
    out.family({ name: `evs_${name}`, help, type: "counter" }).sample(value);
  }
}

/** Who has the parts of each subscription: this node, and nobody. */
function writeParts(out: Exposition, { labelled, counts }: NodeSeries): void {
  const named = ({ record }: SubscriptionDriver) => label("subscription", record.name);
  gauge(out, "subscription_parts", "Its parts that this node owns.");
  for (const driver of labelled) {
    out.sample(partsIn(driver.queue.lanes.own).length, named(driver));
  }
  if (counts === undefined) return;
  gauge(out, "subscription_parts_unowned", "Its parts that no node owns.");
  for (const driver of labelled) {
    const parts = counts.get(driver.record.name)?.parts ?? [];
    const owned = parts.filter(({ node }) => node !== undefined).length;
    out.sample(Math.max(0, driver.queue.lanes.count - owned), named(driver));
  }
}

function gauge(out: Exposition, name: string, help: string): Exposition {
  return out.family({ name: `evs_${name}`, help, type: "gauge" });
}

/** A time, if it is known. */
function seconds(
  out: Exposition,
  name: string,
  { help, ms }: { help: string; ms: number | undefined },
): void {
  if (ms === undefined) return;
  out.family({ name: `evs_${name}_seconds`, help, type: "gauge", unit: "seconds" })
    .sample(ms / 1000);
}

/** How many are in which state; a state that nobody is in is there, too. */
function countsOf(nodes: readonly NodeInfo[]): Map<string, number> {
  const counts = new Map([["alive", 0], ["draining", 0], ["gone", 0]]);
  for (const { alive, draining } of nodes) {
    const state = !alive ? "gone" : draining ? "draining" : "alive";
    counts.set(state, counts.get(state)! + 1);
  }
  return counts;
}
