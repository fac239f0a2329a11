/**
 * The jobs of a state that several nodes share, in memory: who runs which one, with epochs that rise
 * as they do in a database. There is no time in it: a test says which node is gone, and has nodes
 * look.
 */
import type { DeadLetterJobRecord } from "../../core/event/dead_letter_job.ts";
import type { ActRows } from "../../core/state/shared_act.ts";
import type { JobOwner, SharedJobs } from "../../core/state/shared_jobs.ts";

interface JobRow {
  node: string | undefined;
  epoch: number;
  waiting?: string | undefined;
}

/** Who runs which job. */
export class SharedJobRows {
  readonly #records: () => readonly DeadLetterJobRecord[];
  readonly #rows = new Map<number, JobRow>();
  readonly #owners = new Map<string, JobOwner>();
  readonly #gone = new Set<string>();
  readonly #draining = new Set<string>();
  readonly #listeners = new Set<() => void>();
  #last = 0;

  /** `records`: what is stored of jobs. */
  constructor(records: () => readonly DeadLetterJobRecord[]) {
    this.#records = records;
  }

  /** Who runs a job, by what is stored. */
  nodeOf(number: number): string | undefined {
    return this.#rows.get(number)?.node;
  }

  /** A node was not seen for too long: it says nothing and hears nothing until it is {@link back}. */
  lose(node: string): void {
    this.#gone.add(node);
  }

  back(node: string): void {
    this.#gone.delete(node);
  }

  /** A node is to give all back, or to take work again. */
  drain(node: string, draining: boolean): void {
    if (draining) this.#draining.add(node);
    else this.#draining.delete(node);
  }

  /** Has a node look; resolves when it has heard what it is to run. */
  async look(node: string): Promise<void> {
    const owner = this.#owners.get(node);
    if (!owner || this.#gone.has(node)) return;
    const own = owner.claims();
    for (const { number, epoch, waiting } of own) {
      const row = this.#rows.get(number);
      if (row?.node === node && row.epoch === epoch) row.waiting = waiting;
    }
    const running = this.#records().filter(({ state }) => state === "running");
    const isDraining = this.#draining.has(node);
    for (const { number } of running) {
      const row = this.#row(number);
      const isOver = row.node === undefined || this.#gone.has(row.node);
      if (isOver && !isDraining) this.#rows.set(number, { node, epoch: row.epoch + 1 });
    }
    const mine = running.filter(({ number }) => this.#rows.get(number)!.node === node);
    const claimed = mine.map((record) => {
      return { number: record.number, epoch: this.#rows.get(record.number)!.epoch, record };
    });
    await owner.claimed(isDraining ? [] : claimed, own);
    if (isDraining) { for (const { number } of claimed) this.#rows.get(number)!.node = undefined; }
  }

  /** Has all nodes look. */
  async lookAll(): Promise<void> {
    for (const node of this.#owners.keys()) await this.look(node);
  }

  #row(number: number): JobRow {
    const row = this.#rows.get(number) ?? { node: undefined, epoch: 0 };
    this.#rows.set(number, row);
    return row;
  }

  /** What acts see of jobs. */
  acts(): Pick<ActRows, "beginJob" | "job" | "endedJobs"> {
    return {
      beginJob: (node) => {
        const numbers = this.#records().map(({ number }) => number);
        const number = this.#last = Math.max(this.#last, ...numbers) + 1;
        this.#rows.set(number, { node, epoch: 1 });
        return Promise.resolve(number);
      },
      job: (number, by) => {
        const row = this.#rows.get(number);
        const isBy = by === undefined || (row?.node === by.node && row.epoch === by.epoch);
        const record = this.#records().find((job) => job.number === number);
        return Promise.resolve(isBy ? record : undefined);
      },
      endedJobs: () =>
        Promise.resolve(
          this.#records().filter(({ state }) => state !== "running").map(({ number }) => number),
        ),
    };
  }

  /** The jobs as one node has them. */
  of(node: string): SharedJobs {
    return {
      node,
      start: (owner) => {
        this.#owners.set(node, owner);
        void this.look(node);
      },
      changed: () => {
        for (const listener of this.#listeners) listener();
        void this.lookAll();
      },
      onChanged: (listener) => {
        this.#listeners.add(listener);
        return () => void this.#listeners.delete(listener);
      },
      all: () =>
        Promise.resolve(
          this.#records().filter(({ isListed }) => isListed).map((record) => {
            const { waiting } = this.#row(record.number);
            return { record, ...waiting === undefined ? {} : { waiting } };
          }),
        ),
      close: () => {
        const own = this.#owners.get(node)?.claims() ?? [];
        this.#owners.delete(node);
        if (this.#gone.has(node)) return Promise.resolve();
        for (const { number, epoch } of own) {
          const row = this.#rows.get(number);
          if (row?.node === node && row.epoch === epoch) row.node = undefined;
        }
        return Promise.resolve();
      },
    };
  }
}
