/** Who works on the database: nodes and their versions, what waits for one, and a pooler between. */
import { WakeUps } from "../../postgres/wake_ups.ts";
import type { Finding } from "../checks/check.ts";
import { levelOfFailure } from "../checks/diagnosis.ts";
import { counted } from "../checks/counted.ts";
import { agoText, type DatabaseCheck } from "./check.ts";

/** A node that says nothing for so long is gone, s; one that is idle says something once a minute. */
const GONE = 180;
/** What is committed is appended within a second, if there is a node, s. */
const LATE = 60;

interface NodeRow {
  node: string;
  version: string;
  draining: boolean;
  silent: number;
  parts: number;
}

export const nodes: DatabaseCheck = {
  name: "nodes",
  async *look({ postgres, version }): AsyncGenerator<Finding> {
    const rows = await postgres.query<NodeRow>(
      "read",
      `SELECT node, version, draining,
         extract(epoch FROM clock_timestamp() - seen)::float8 AS silent,
         (SELECT count(*) FROM evs.claims WHERE claims.node = nodes.node)::int AS parts
       FROM evs.nodes ORDER BY at, node`,
    );
    const there = rows.filter(({ silent }) => silent <= GONE);
    for (const { node, silent, parts } of rows) {
      if (silent <= GONE || parts === 0) continue;
      yield {
        level: "warning",
        where: node,
        what: `the node said nothing for ${agoText(silent)} and owns ${counted(parts, "part")}, ` +
          "which nobody has taken over",
        hint: "start a daemon on this database, and a consumer",
      };
    }
    for (const { node, version: other, draining } of there) {
      if (other !== "" && other !== version) {
        const what = `the node has version ${other}, this is ${version}`;
        yield { level: "warning", where: node, what, hint: "bring all nodes to one version" };
      }
      if (draining) {
        const what = "the node is drained: it delivers nothing";
        yield { level: "warning", where: node, what, hint: `evs node drain ${node} --off` };
      }
    }
    const what = `${counted(there.length, "node")}: ${there.map(({ node }) => node).join(", ")}`;
    yield {
      level: "ok",
      where: "nodes",
      what: there.length === 0 ? "no node is at work" : what,
      details: { nodes: rows.map((row) => ({ ...row })) },
    };
  },
};

export const outbox: DatabaseCheck = {
  name: "outbox",
  async *look({ postgres }): AsyncGenerator<Finding> {
    const rows = await postgres.query<{ topic: string; count: number; seconds: number }>(
      "read",
      `SELECT topic, count(*)::int AS count,
         extract(epoch FROM clock_timestamp() - min(at))::float8 AS seconds
       FROM evs.outbox GROUP BY topic ORDER BY topic`,
    );
    const late = rows.filter(({ seconds }) => seconds > LATE);
    for (const { topic, count, seconds } of late) {
      yield {
        level: "warning",
        where: topic,
        what: `${counted(count, "event")} in the outbox, the oldest for ${agoText(seconds)}`,
        hint: `start a daemon on this database; if one runs: evs topic create ${topic}`,
        details: { topic, count, seconds: Math.round(seconds) },
      };
    }
    if (late.length === 0) yield { level: "ok", where: "outbox", what: "nothing waits for long" };
  },
};

export const notifications: DatabaseCheck = {
  name: "notifications",
  async *look({ postgres }): AsyncGenerator<Finding> {
    const wakeUps = new WakeUps(postgres.target);
    try {
      await wakeUps.open();
      yield { level: "ok", where: postgres.place, what: "notifications arrive" };
    } catch (error) {
      const { message, hint } = error as { message: string; hint?: string };
      yield { level: levelOfFailure(error), where: postgres.place, what: message, hint };
    } finally {
      await wakeUps.close();
    }
  },
};
