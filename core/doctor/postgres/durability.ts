/** What the server promises of a commit: its settings, and its standbys. */
import type { Finding } from "../checks/check.ts";
import type { DatabaseCheck } from "./check.ts";

/** Settings that keep what was acknowledged, and what is lost without. */
const NEEDED: Record<string, { good(value: string): boolean; lost: string }> = {
  fsync: {
    good: (value) => value === "on",
    lost: "a power cut may lose what was acknowledged, and damage the database",
  },
  full_page_writes: {
    good: (value) => value === "on",
    lost: "a power cut may damage pages in the middle of a write",
  },
  synchronous_commit: {
    good: (value) => value !== "off",
    lost: "a power cut loses the last moments of what was acknowledged",
  },
};

export const serverDurability: DatabaseCheck = {
  name: "durability",
  async *look({ postgres }): AsyncGenerator<Finding> {
    const where = postgres.place;
    // As the connections of a node have them, whatever is set for the user or the database.
    const rows = await postgres.query<{ name: string; setting: string; standby: boolean }>(
      "read",
      `SELECT name, setting, pg_is_in_recovery() AS standby FROM pg_settings
       WHERE name = ANY ($1) ORDER BY name`,
      [[...Object.keys(NEEDED), "autovacuum", "synchronous_standby_names"]],
    );
    const settings = new Map(rows.map(({ name, setting }) => [name, setting]));
    if (rows[0]?.standby) {
      const what = "the server is a standby: nothing can be published to it";
      yield { level: "damage", where, what, hint: "use the primary in the URL, or promote it" };
      return;
    }
    let isDurable = true;
    for (const [name, { good, lost }] of Object.entries(NEEDED)) {
      const value = settings.get(name) ?? "";
      if (good(value)) continue;
      isDurable = false;
      yield {
        level: "warning",
        where: name,
        what: `${name} is ${value}: ${lost}`,
        hint: `ALTER SYSTEM SET ${name} = on; SELECT pg_reload_conf()`,
      };
    }
    if (isDurable) {
      yield { level: "ok", where, what: "what is acknowledged survives a power cut of the server" };
    }
    if (settings.get("autovacuum") === "off") {
      const what = "autovacuum is off: tables grow, and are read ever more slowly";
      yield { level: "warning", where: "autovacuum", what, hint: "ALTER SYSTEM RESET autovacuum" };
    }
  },
};

export const standbys: DatabaseCheck = {
  name: "standbys",
  async *look({ postgres }): AsyncGenerator<Finding> {
    const rows = await postgres.query<{ name: string; sync: string | null; state: string | null }>(
      "read",
      `SELECT coalesce(application_name, '') AS name, sync_state AS sync, state
       FROM pg_stat_replication ORDER BY 1`,
    );
    const [{ names, level }] = await postgres.query<{ names: string; level: string }>(
      "read",
      `SELECT current_setting('synchronous_standby_names') AS names,
         current_setting('synchronous_commit') AS level`,
    ) as [{ names: string; level: string }];
    const details = { standbys: rows.map((row) => ({ ...row })) };
    const synchronous = rows.filter(({ sync, state }) =>
      (sync === "sync" || sync === "quorum") && state === "streaming"
    );
    const where = "standbys";
    if (names.trim() !== "" && synchronous.length === 0) {
      const what = `synchronous_standby_names is ${names}, and no such standby is connected: ` +
        "commits wait, and nothing is acknowledged";
      yield { level: "damage", where, what, hint: "start the standby, or take it out", details };
    } else if (synchronous.length > 0 && ["local", "off"].includes(level)) {
      const what = `synchronous_commit is ${level}: commits do not wait for the standby`;
      yield { level: "warning", where, what, hint: "set synchronous_commit to on", details };
    } else if (synchronous.length > 0) {
      const what = `what is acknowledged is on ${
        synchronous.map(({ name }) => name).join(", ")
      }, too`;
      yield { level: "ok", where, what, details };
    } else {
      const what = rows.length === 0
        ? "there is no standby: what is acknowledged is lost with the machine"
        : "all standbys are asynchronous: one that is promoted lacks what it had not received";
      yield { level: "ok", where, what, details };
    }
  },
};
