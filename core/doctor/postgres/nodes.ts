/** Who works on the database: nodes and their versions, what waits for one, and a pooler between. */
import { WakeUps } from "../../postgres/wake_ups.ts";
import { readNodes } from "../../state/postgres/node_list.ts";
import type { Finding } from "../checks/check.ts";
import { levelOfFailure } from "../checks/diagnosis.ts";
import { counted } from "../checks/counted.ts";
import { agoText, type DatabaseCheck } from "./check.ts";

/** By then, somebody who consumes has taken over what a node had that is gone, s. */
const LEFT = 180;
/** What is committed is appended within a second, if there is a node, s. */
const LATE = 60;

export const nodes: DatabaseCheck = {
  name: "nodes",
  async *look({ postgres, version }): AsyncGenerator<Finding> {
    const rows = await readNodes((text, values) => postgres.query("read", text, values));
    const there = rows.filter(({ alive }) => alive);
    const gone = rows.filter(({ alive }) => !alive);
    for (const { node, seenMs, parts } of gone) {
      const silent = seenMs / 1000;
      if (silent <= LEFT || parts === 0) continue;
      yield {
        level: "warning",
        where: node,
        what: `the node said nothing for ${agoText(seenMs / 1000)} and owns ` +
          `${counted(parts, "part")}, which nobody has taken over`,
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
    const named = (some: typeof rows) => some.map(({ node }) => node).join(", ");
    const without = gone.length === 0 ? "" : `; gone: ${named(gone)}`;
    const what = `${counted(there.length, "node")}: ${named(there)}${without}`;
    yield {
      level: "ok",
      where: "nodes",
      what: there.length === 0 ? `no node is at work${without}` : what,
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
