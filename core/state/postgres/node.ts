/**
 * This process as one of the nodes that share a state in PostgreSQL. It says from time to time that
 * it is there, and looks at the claims of the subscriptions that it has to do with: often while it
 * owns or wants parts, once a minute otherwise. A wake-up of another node has it look at once.
 *
 * Whether a node is gone is decided by the database's clock alone. Whether this node may deliver is
 * decided by its own monotonic clock: its last beat that succeeded began less than half a TTL ago, so
 * nobody else takes its parts over before it stops.
 */
import type { Clock } from "../../base/clock.ts";
import { VERSION } from "../../base/version.ts";
import type { Postgres, Query } from "../../postgres/connection.ts";
import { TryAgainError, UnknownOutcomeError } from "../../postgres/errors.ts";
import type { WakeUps } from "../../postgres/wake_ups.ts";
import { isDatabaseAway } from "../../protocol/database_url.ts";
import type { Coordinator, OwnedPart, PartOwner, PartRows, PartShare } from "../coordinator.ts";
import type { CoordinatorOptions } from "../shared.ts";
import type { SubscriptionRecord } from "../records.ts";
import {
  beat,
  claimParts,
  forgetNode,
  forgetNodes,
  joinMembers,
  leaveMembers,
  readClaimMembers,
  readClaims,
  releaseClaims,
  type SeenClaim,
  type SeenMember,
} from "./claims.ts";
import type { DatabaseClock } from "./database_clock.ts";
import { type NodeTally, PostgresShare, type ShareNode } from "./node_share.ts";
import type { ClaimsView } from "./share_steps.ts";

/** How long a node may be silent before others take over, ms. */
export const NODE_TTL_MS = 10_000;
/** How many parts a subscription is made with. */
const PARTS = 16;
/** Between beats of a node that owns and wants nothing, ms. */
const IDLE_MS = 60_000;
/** How long a node that is gone stays in the list, ms. */
const FORGET_MS = 24 * 3_600_000;
/** How often a statement is tried that meets others. */
const MOST_TRIES = 5;
/** Leases of parts that are given back may take so many TTLs. */
const LEAVE_TTLS = 3;

/** What a node is made of. */
export interface NodeContext extends CoordinatorOptions {
  postgres: Postgres;
  wakeUps: WakeUps;
  load(subscription: string, parts: readonly number[]): Promise<PartRows>;
  time: DatabaseClock;
}

/** What a node sees of others. */
interface Seen {
  claims: readonly SeenClaim[];
  members: readonly SeenMember[];
}

/** The coordinator of a state in PostgreSQL. */
export class PostgresNode implements Coordinator, ShareNode {
  readonly node: string;
  readonly parts = PARTS;
  readonly clock: Clock;
  readonly leaveMs: number;
  readonly tally: NodeTally = { claimed: 0, takenOver: 0, lost: 0, fenced: 0 };
  readonly #context: NodeContext;
  readonly #ttlMs: number;
  readonly #shares = new Map<string, PostgresShare>();
  readonly #removeListeners: (() => void)[];
  #draining = false;
  /** When the last beat that succeeded began, by the monotonic clock. */
  #beatAt = -Infinity;
  /** Until then it takes nothing from nodes that seem to be gone, by the monotonic clock. */
  #cautiousUntil = -Infinity;
  #isAway = false;
  #looking: Promise<void> | undefined;
  #again = false;
  #cancelTimer: (() => void) | undefined;
  #opening: Promise<void> | undefined;
  #forgotAt = -Infinity;
  #closed = false;

  constructor(context: NodeContext) {
    const { clock, ttlMs = NODE_TTL_MS, wakeUps, host = "node" } = context;
    this.#context = context;
    this.node = `${host}-${crypto.randomUUID().slice(0, 8)}`;
    this.clock = clock;
    this.#ttlMs = ttlMs;
    this.leaveMs = LEAVE_TTLS * ttlMs;
    this.#removeListeners = [
      wakeUps.on("claims", (names) => {
        if (!names || names.some((name) => this.#shares.get(name)?.isActive)) this.look();
      }),
      wakeUps.on("node", (names) => {
        if (!names || names.includes(this.node)) this.look();
      }),
    ];
    this.look();
  }

  get name(): string {
    return this.node;
  }

  get isFresh(): boolean {
    return this.clock.monotonic() - this.#beatAt <= this.#ttlMs / 2;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** How many parts it owns, of all subscriptions. */
  get owned(): number {
    return [...this.#shares.values()].reduce((sum, share) => sum + share.owned, 0);
  }

  /** How long ago the last beat began that succeeded, ms; undefined: none has yet. */
  get beatAge(): number | undefined {
    const age = this.clock.monotonic() - this.#beatAt;
    return Number.isFinite(age) ? age : undefined;
  }

  share(record: SubscriptionRecord, owner: PartOwner): PartShare {
    const { name: subscription, parts: count = 1, createdAt } = record;
    const share = new PostgresShare({ subscription, count, madeAt: createdAt, owner, node: this });
    this.#shares.set(subscription, share);
    return share;
  }

  look(): void {
    if (this.#closed) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      if (this.#closed) return;
      const again = this.#again && !this.#isAway;
      this.#again = false;
      if (again) this.look();
      else this.#cancelTimer = this.clock.setTimer(() => this.look(), this.#pause);
    });
  }

  get #pause(): number {
    const isActive = [...this.#shares.values()].some((share) => share.isActive);
    return isActive || this.#isAway ? this.#ttlMs / 5 : IDLE_MS;
  }

  async #look(): Promise<void> {
    const began = this.clock.monotonic();
    const shares = [...this.#shares.values()].filter((share) => share.isActive);
    try {
      await this.#beat();
      const wasStale = !this.isFresh;
      // Somebody who took it for gone may be just about to take its parts over.
      if (wasStale) { for (const share of shares) await this.#hold(share.subscription); }
      const seen = await this.#see(shares.map(({ subscription }) => subscription));
      this.#isThere(began);
      if (!wasStale && !this.isFresh) return this.#lookAgain();
      for (const share of shares) share.see(this.#viewOf(share, seen), { wasStale });
      // Only now: what was lost is not leased any more.
      this.#beatAt = began;
      await this.#forgetOthers();
    } catch (error) {
      if (!this.#isAway) this.failed(error, "the heartbeat of this node");
      this.#isAway = true;
      for (const share of shares) share.unseen();
    }
  }

  #lookAgain(): void {
    this.#again = true;
  }

  #isThere(began: number): void {
    if (this.#isAway) this.#cautiousUntil = began + this.#ttlMs / 2;
    this.#isAway = false;
  }

  #viewOf({ subscription, count }: PostgresShare, { claims, members }: Seen): ClaimsView {
    return {
      node: this.node,
      count,
      claims: claims.filter((one) => one.subscription === subscription),
      members: members.filter((one) => one.subscription === subscription),
    };
  }

  async #beat(): Promise<void> {
    const owning = [...this.#shares.values()].filter((share) => share.ownsSome);
    const infos = new Map(owning.map((share) => [share.subscription, share.info()]));
    const about = { node: this.node, version: VERSION, infos };
    const { draining } = await this.#context.time.measure(() => beat(this.#query("node"), about));
    // Those that have nothing to do with this node now may have, if it is not to give all back.
    if (draining !== this.#draining) this.#again = true;
    this.#draining = draining;
    this.#opening ??= this.#openWakeUps();
  }

  async #openWakeUps(): Promise<void> {
    try {
      await this.#context.wakeUps.open();
      // It has not heard of what was before.
      this.look();
    } catch (error) {
      // Without wake-ups it looks from time to time.
      this.failed(error, "wake-ups of other nodes");
      this.#opening = undefined;
    }
  }

  /** Waits for claims of these parts that are under way. */
  async #hold(subscription: string): Promise<void> {
    await this.#query("node")("SELECT evs.hold_members($1)", [subscription]);
  }

  async #see(subscriptions: string[]): Promise<Seen> {
    if (subscriptions.length === 0) return { claims: [], members: [] };
    const asked = { subscriptions, ttlMs: this.#ttlMs };
    return {
      claims: await readClaims(this.#query("node"), asked),
      members: await readClaimMembers(this.#query("node"), asked),
    };
  }

  async #forgetOthers(): Promise<void> {
    const now = this.clock.monotonic();
    if (now - this.#forgotAt < FORGET_MS / 24) return;
    this.#forgotAt = now;
    await forgetNodes(this.#query("state"), { olderMs: FORGET_MS });
  }

  /** One statement; tried again where it met an act that held what it waited for, and the reverse. */
  #query(role: "node" | "state"): Query {
    const { postgres } = this.#context;
    return async (text, values) => {
      for (let left = MOST_TRIES;; left--) {
        try {
          return await postgres.query(role, text, values);
        } catch (error) {
          if (!(error instanceof TryAgainError) || left === 1) throw error;
        }
      }
    };
  }

  join(subscription: string, wants: boolean): Promise<void> {
    return joinMembers(this.#query("state"), { node: this.node, subscription, wants })
      .then(() => this.#tell(subscription));
  }

  leave(subscription: string): Promise<void> {
    return leaveMembers(this.#query("state"), { node: this.node, subscription })
      .then(() => this.#tell(subscription));
  }

  claim(
    subscription: string,
    parts: readonly number[],
    madeAt: number,
  ): Promise<OwnedPart[]> {
    // The claims of a node that was cut off as this one was may seem to be over: it comes first.
    const isCautious = this.clock.monotonic() < this.#cautiousUntil;
    const ttlMs = isCautious ? undefined : this.#ttlMs;
    const asked = { node: this.node, subscription, parts, ttlMs, madeAt };
    return claimParts(this.#query("state"), asked);
  }

  async release(subscription: string, parts: readonly OwnedPart[]): Promise<void> {
    const claims = parts.map(({ part, epoch }) => ({ subscription, part, epoch }));
    await releaseClaims(this.#query("state"), { node: this.node, claims });
    this.#tell(subscription);
  }

  load(subscription: string, parts: readonly number[]): Promise<PartRows> {
    return this.#context.load(subscription, parts);
  }

  isCurrent(share: PostgresShare): boolean {
    return this.#shares.get(share.subscription) === share;
  }

  ended(share: PostgresShare): void {
    if (this.isCurrent(share)) this.#shares.delete(share.subscription);
  }

  /** Has the other nodes look at the claims of a subscription. */
  #tell(subscription: string): void {
    this.#context.wakeUps.send("claims", subscription);
  }

  failed(error: unknown, context: string): void {
    if (!this.#closed) this.#context.onError(error, context);
  }

  /** Gives all back and leaves the list of nodes. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer?.();
    for (const remove of this.#removeListeners) remove();
    await this.#looking;
    await this.#opening;
    await Promise.all([...this.#shares.values()].map((share) => share.end()));
    try {
      const given = await forgetNode(this.#query("state"), this.node);
      for (const subscription of given) this.#tell(subscription);
    } catch (error) {
      // What it owned is over after the TTL.
      if (!isDatabaseAway(error) && !(error instanceof UnknownOutcomeError)) throw error;
    }
  }
}
