/** `evs status`: the state of the daemon. */
import { formatBytes, formatDuration } from "../../core/base/units.ts";
import { heldBackText } from "../../core/event/held_back.ts";
import { removedText } from "../../core/event/removed_dead_letters.ts";
import type { SpoolStatus, StatusReply } from "../../core/protocol/status.ts";
import { VERSION } from "../../core/base/version.ts";
import { formatCount } from "../terminal/table.ts";
import { ExitCode } from "../../core/base/errors.ts";
import { verb } from "../cli/define.ts";

export const route = verb({
  brief: "Show the daemon's status",
  description:
    "Shows the daemon's contents and health, and if the installed version is another than the running one. Exit code 0 if it is healthy, 1 if its health is degraded, 5 if there " +
    "is none. In JSON, scheduled counts the retries that wait, and scheduledEvents the events that are published later.",
  examples: [
    ["status", "A table on a terminal, one line of JSON in a pipe."],
    ["status | jq -r .health", "ok, degraded or draining."],
  ],
  parameters: { positional: { kind: "tuple", parameters: [] } },
  async run() {
    const client = await this.client();
    const status = await client.status();
    const uptime = Math.max(1000, Math.floor(status.uptimeMs / 1000) * 1000);
    await this.printFacts(
      { ...status, installed: VERSION, context: this.contextUsed?.name },
      () => ({
        context: this.contextUsed && `${this.contextUsed.name}, by ${this.contextUsed.by}`,
        health: [status.health, ...status.problems].join("; "),
        ...(status.alerts.length === 0
          ? {}
          : { alerts: status.alerts.map(({ message }) => message).join("; ") }),
        refused: status.refused?.map(({ code, count }) =>
          `${formatCount(count)} in the last 5m: ${code}`
        ),
        version: versionText(status.version, VERSION),
        pid: String(status.pid),
        up: formatDuration(uptime),
        "data dir": status.dataDir,
        socket: status.socket,
        store: `${status.store}, durability ${status.durability}`,
        ...clusterFacts(status),
        topics: status.topics,
        events: status.events,
        size: formatBytes(status.bytes),
        subscriptions: subscriptionsText(status),
        "waiting for retry": status.scheduled,
        ...(status.scheduledEvents === 0
          ? {}
          : { scheduled: `${formatCount(status.scheduledEvents)}; which: evs scheduled list` }),
        "dead letters": deadLettersText(status),
        ...(status.expiredEvents === 0
          ? {}
          : { expired: `${formatCount(status.expiredEvents)} since the start` }),
        "held back": status.heldBack?.map((held) => `${held.topic}: ${heldBackText(held)}`),
        spool: status.spool?.map(spoolText),
        schemas: status.schemas,
        connections: status.connections,
        tails: status.tails,
        memory: formatBytes(status.memory.rss),
        permissions: status.permissions.flatMap(byPath),
      }),
    );
    if (status.health === "degraded") this.exitCode = ExitCode.NotFound;
  },
});

/** The database, if there is one, and the nodes that share it. */
function clusterFacts({ cluster }: StatusReply): Record<string, unknown> {
  if (cluster === undefined) return {};
  const { database, server, durable, standbys, nodes, node } = cluster;
  const alive = nodes.filter((one) => one.alive).length;
  return {
    database: `PostgreSQL ${server} at ${database}${durable ? "" : ", not durable"}`,
    standbys: standbys.map(({ name, state }) => `${name} (${state})`).join(", ") || undefined,
    node: node || undefined,
    nodes: nodes.length === 0
      ? undefined
      : `${alive} of ${nodes.length} alive; which: evs node list`,
  };
}

/** How many there are, and where to watch them. */
function subscriptionsText({ subscriptions, pausedSubscriptions }: StatusReply): string {
  const paused = pausedSubscriptions === 0 ? "" : `, ${formatCount(pausedSubscriptions)} paused`;
  const live = subscriptions === 0 ? "" : "; live: evs top";
  return `${formatCount(subscriptions)}${paused}${live}`;
}

/** What is in a folder of the spool, and where to look. */
function spoolText({ folder, waiting, refused, faults = [] }: SpoolStatus): string {
  const parts = [
    ...(waiting === 0 ? [] : [`${formatCount(waiting)} to take in`]),
    ...(refused === 0 ? [] : [`${formatCount(refused)} refused; why: evs spool list`]),
    ...faults.map(({ path, what }) => `${path} ${what}`),
  ];
  return `${folder}: ${parts.join(", ")}`;
}

/** How many there are, and what limits removed. */
function deadLettersText(
  { deadLetters, deadLettersOpen = deadLetters, deadLettersRemoved = [] }: StatusReply,
): string {
  const open = deadLettersOpen === deadLetters
    ? ""
    : `, ${formatCount(deadLettersOpen)} of them open`;
  const there = deadLetters === 0
    ? "0"
    : `${formatCount(deadLetters)}${open}; by cause: evs dlq groups`;
  const removed = removedText(deadLettersRemoved);
  return removed === undefined ? there : `${there}; ${removed}`;
}

/**
 * The version of the daemon, and of this program if it is another, with what to type. Pure.
 *
 * ```ts
 * versionText("0.1.0", "0.2.0"); // "running 0.1.0, installed 0.2.0; …: evs daemon restart"
 * ```
 */
export function versionText(running: string, installed: string): string {
  if (running === installed) return running;
  const both = `running ${running}, installed ${installed}`;
  return isOlder(running, installed)
    ? `${both}; to run that one: evs daemon restart`
    : `${both}: this evs is older than the daemon; to see which there are: type -a evs`;
}

/** By the rules of Semantic Versioning: what comes before a release is older than the release. */
function isOlder(one: string, other: string): boolean {
  const [release = "", before] = one.split(/-(.*)/s);
  const [otherRelease = "", otherBefore] = other.split(/-(.*)/s);
  const order = release.localeCompare(otherRelease, "en", { numeric: true });
  if (order !== 0) return order < 0;
  if (before === undefined || otherBefore === undefined) return before !== undefined;
  return before.localeCompare(otherBefore, "en", { numeric: true }) < 0;
}

/** A flag with several paths is too long for one line. */
function byPath(flag: string): string[] {
  const [name, paths] = flag.split(/=(.*)/);
  return paths === undefined
    ? [flag]
    : paths.split(/(?<!,),(?!,)/).map((path) => `${name}=${path}`);
}
