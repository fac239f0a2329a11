/**
 * The register of known damage, in the event database itself, so that it survives a restart.
 * Damaged rows stay in place: they are marked, never deleted.
 */
import { type Clock, systemClock } from "../../base/clock.ts";
import type { Damage, Found } from "../damage.ts";
import type { Prepare } from "./statements.ts";

interface DamageRow {
  name: string;
  first: number;
  last: number;
  what: string;
  lost: number;
  found_at: number;
  accepted: number;
}

/** Remembers damage across restarts. */
export class DamageRegister {
  readonly #prepare: Prepare;
  readonly #clock: Clock;
  #damage: Damage[];
  /** Entries that could not be written (disk full); retried with the next one. */
  #unwritten: Damage[] = [];

  constructor(prepare: Prepare, clock: Clock = systemClock) {
    this.#prepare = prepare;
    this.#clock = clock;
    this.#damage = readDamage(prepare);
  }

  /** All known damage, in the order in which it was found. */
  list(): readonly Damage[] {
    return this.#damage;
  }

  /** Adds what a read has found. False if it was already known. */
  add(found: Found): boolean {
    const alike = this.#damage.filter((known) =>
      known.topic === found.topic && known.what === found.what && known.lost === found.lost &&
      known.firstSeq <= found.lastSeq + 1 && found.firstSeq <= known.lastSeq + 1
    );
    if (alike.some((known) => known.firstSeq <= found.firstSeq && found.lastSeq <= known.lastSeq)) {
      return false;
    }
    const merged: Damage = {
      ...found,
      firstSeq: Math.min(found.firstSeq, ...alike.map(({ firstSeq }) => firstSeq)),
      lastSeq: Math.max(found.lastSeq, ...alike.map(({ lastSeq }) => lastSeq)),
      foundAt: this.#clock.now(),
      accepted: false,
    };
    this.#damage = [...this.#damage.filter((known) => !alike.includes(known)), merged];
    this.#unwritten.push(merged);
    this.#write(alike);
    return true;
  }

  /** Accepts all known damage: it no longer degrades the store's health, but stays listed. */
  accept(): void {
    this.#prepare("UPDATE damage SET accepted = 1").run();
    this.#damage = this.#damage.map((known) => ({ ...known, accepted: true }));
  }

  /**
   * A full disk must not make a read fail: the entries then stay in memory until the process ends.
   */
  #write(replaced: readonly Damage[]): void {
    try {
      for (const { topic, firstSeq, lastSeq, what } of replaced) {
        this.#prepare(
          `DELETE FROM damage WHERE topic = (SELECT id FROM topics WHERE name = ?)
           AND first = ? AND last = ? AND what = ?`,
        ).run(topic, firstSeq, lastSeq, what);
      }
      for (const { topic, firstSeq, lastSeq, what, lost, foundAt } of this.#unwritten) {
        this.#prepare(
          `INSERT OR REPLACE INTO damage (topic, first, last, what, lost, found_at)
           SELECT id, ?, ?, ?, ?, ? FROM topics WHERE name = ?`,
        ).run(firstSeq, lastSeq, what, lost ? 1 : 0, foundAt, topic);
      }
      this.#unwritten = [];
    } catch (error) {
      if ((error as { errcode?: number }).errcode === undefined) throw error;
    }
  }
}

/** The register's rows as damage. */
export function readDamage(prepare: Prepare): Damage[] {
  const rows = prepare(
    `SELECT t.name, d.first, d.last, d.what, d.lost, d.found_at, d.accepted
     FROM damage d JOIN topics t ON t.id = d.topic ORDER BY d.found_at, d.topic, d.first`,
  ).all() as unknown as DamageRow[];
  return rows.map((row) => ({
    topic: row.name,
    firstSeq: row.first,
    lastSeq: row.last,
    what: row.what,
    lost: row.lost === 1,
    foundAt: row.found_at,
    accepted: row.accepted === 1,
  }));
}
