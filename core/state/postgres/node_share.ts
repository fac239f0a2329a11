/**
 * A node's share of one subscription: it claims what it should have, reads the rows of what it has
 * claimed, gives back what it has too much of, and tells its driver. It acts on what each look at the
 * claims of all nodes says ({@link PostgresShare.see}), one look after the other.
 *
 * A part is claimed first and read afterwards: whoever commits later is fenced, so what is read is
 * all. What was lost has left the driver before the same part is read again.
 */
import type { Clock } from "../../base/clock.ts";
import { maskOf, type PartMask, partsIn } from "../../event/part.ts";
import type { OwnedPart, PartOwner, PartRows, PartShare } from "../coordinator.ts";
import type { Fence, FencedError } from "../fences.ts";
import { areAllOwned, type ClaimsView, lostParts, shareSteps } from "./share_steps.ts";

/** What became of the parts of a node since it began, for people. */
export interface NodeTally {
  /** Parts that it has claimed. */
  claimed: number;
  /** Of these, the ones of nodes that were gone. */
  takenOver: number;
  /** Parts that others have taken over from it. */
  lost: number;
  /** Commits that were refused because others had a part by then, or had changed its rows. */
  fenced: number;
}

/** The node that a share belongs to. */
export interface ShareNode {
  readonly name: string;
  readonly tally: NodeTally;
  readonly clock: Clock;
  /** How long leases of parts that are to be given back may take, ms. */
  readonly leaveMs: number;
  /** It has said in time that it is there. */
  readonly isFresh: boolean;
  /** It is to give all back. */
  readonly draining: boolean;
  /** Looks at the claims soon. */
  look(): void;
  /** A share has given all back. */
  ended(share: PostgresShare): void;
  /** False once a subscription of the same name has taken the place of the one that was shared. */
  isCurrent(share: PostgresShare): boolean;
  join(subscription: string, wants: boolean): Promise<void>;
  leave(subscription: string): Promise<void>;
  /** `madeAt`: when the subscription was made that is meant. */
  claim(subscription: string, parts: readonly number[], madeAt: number): Promise<OwnedPart[]>;
  release(subscription: string, parts: readonly OwnedPart[]): Promise<void>;
  load(subscription: string, parts: readonly number[]): Promise<PartRows>;
  failed(error: unknown, context: string): void;
}

/** What a node is to a subscription. */
type Membership = "wants" | "stays" | "none";

/** The share of one node. */
export class PostgresShare implements PartShare {
  readonly subscription: string;
  readonly count: number;
  readonly #madeAt: number;
  readonly #owner: PartOwner;
  readonly #node: ShareNode;
  readonly #owned = new Map<number, OwnedPart>();
  #leaving: PartMask = 0;
  /** Of these, those of which nothing is leased any more. */
  readonly #free = new Set<number>();
  #giving: Promise<void> | undefined;
  #wanted = false;
  #ended = false;
  /** As the database has it; undefined: it is not known. */
  #noted: Membership | undefined = "none";
  #allOwned = false;
  #wasDraining = false;
  /** A look that began after it wanted some has been acted on. */
  #settled = true;
  #turn: Promise<void> | undefined;
  /** There was another look meanwhile. */
  #again = false;
  /** This node was silent for too long: whatever it has is to be read again. */
  #isStale = false;
  /** What was lost is leaving the driver. */
  #losing: Promise<unknown> = Promise.resolve();

  constructor(
    { subscription, count, madeAt, owner, node }: {
      subscription: string;
      count: number;
      madeAt: number;
      owner: PartOwner;
      node: ShareNode;
    },
  ) {
    this.subscription = subscription;
    this.count = count;
    this.#madeAt = madeAt;
    this.#owner = owner;
    this.#node = node;
  }

  get mayDeliver(): boolean {
    return this.#node.isFresh;
  }

  get settling(): boolean {
    return !this.#settled;
  }

  get allOwned(): boolean {
    return this.#allOwned;
  }

  /** It has something to do with the subscription, or is about to. */
  get isActive(): boolean {
    return this.#membership !== "none" || this.#noted !== "none" || this.#turn !== undefined;
  }

  get ownsSome(): boolean {
    return this.#owned.size > 0;
  }

  /** How many parts it owns. */
  get owned(): number {
    return this.#owned.size;
  }

  get #wants(): boolean {
    return this.#wanted && !this.#ended && !this.#node.draining;
  }

  get #membership(): Membership {
    if (this.#wants) return "wants";
    return this.#owned.size > 0 || this.#leaving !== 0 ? "stays" : "none";
  }

  /** What it has to do, for other nodes to show. */
  info(): string {
    return JSON.stringify(this.#owner.load());
  }

  want(wanted: boolean): void {
    if (wanted === this.#wanted || this.#ended) return;
    this.#wanted = wanted;
    this.#settled = !this.#wants;
    this.#node.look();
  }

  /** The claims of all nodes, as of now. `wasStale`: this node was silent for too long before. */
  see(view: ClaimsView, { wasStale = false } = {}): void {
    const allOwned = areAllOwned(view);
    const { draining } = this.#node;
    const isOther = allOwned !== this.#allOwned || draining !== this.#wasDraining;
    this.#allOwned = allOwned;
    this.#wasDraining = draining;
    if (isOther) this.#look();
    this.#isStale ||= wasStale;
    const lost = lostParts(view, this.#owned);
    this.#node.tally.lost += lost.length;
    this.#lose(lost);
    if (this.#turn) {
      this.#again = true;
      return;
    }
    this.#turn = this.#act(view)
      .catch((error) => this.#node.failed(error, `the parts of ${this.subscription}`))
      .finally(() => {
        this.#turn = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.#node.look();
      });
  }

  /** The claims could not be looked at. */
  unseen(): void {
    this.#settle();
  }

  async #act(view: ClaimsView): Promise<void> {
    const isStale = this.#isStale;
    this.#isStale = false;
    try {
      const isMember = view.members.some(({ node }) => node === this.#node.name);
      if (!isMember && this.#noted !== "none") this.#noted = undefined;
      const before = this.#noted;
      await this.#note();
      // What others see of this node is not what this look was of.
      if (before !== this.#noted && this.#noted === "wants") return this.#node.look();
      const { leave, ...steps } = shareSteps(view, { wants: this.#wants, owned: this.#owned });
      this.#leave(maskOf(leave));
      if (steps.release.length > 0) await this.#node.release(this.subscription, steps.release);
      const claimed = steps.claim.length > 0
        ? await this.#node.claim(this.subscription, steps.claim, this.#madeAt)
        : [];
      this.#count(view, claimed);
      // What others have meanwhile, too.
      if (claimed.length > 0) this.#node.look();
      await this.#gain([...steps.found, ...claimed]);
      const changed = isStale ? [...this.#owned.keys()] : steps.changed;
      if (changed.length > 0) await this.#reload(changed);
      await this.#note();
      if (this.#noted === "wants" || !this.#wants) this.#settle();
    } catch (error) {
      this.#settle();
      throw error;
    }
  }

  #count({ claims }: ClaimsView, claimed: readonly OwnedPart[]): void {
    const { tally, name } = this.#node;
    const gone = claims.filter(({ node }) => node !== undefined && node !== name);
    const parts = new Set(gone.map(({ part }) => part));
    tally.claimed += claimed.length;
    tally.takenOver += claimed.filter(({ part }) => parts.has(part)).length;
  }

  /** It is known what this node gets: who waits for that is told. */
  #settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#look();
  }

  /** Has the driver look at what it may do. */
  #look(): void {
    if (!this.#ended) void this.#owner.changed(() => Promise.resolve(undefined));
  }

  /** Has the database say what this node is to the subscription. */
  async #note(): Promise<void> {
    const membership = this.#membership;
    // What the database says of this node is what the other one has said.
    if (membership === this.#noted || !this.#node.isCurrent(this)) return;
    this.#noted = undefined;
    if (membership === "none") await this.#node.leave(this.subscription);
    else await this.#node.join(this.subscription, membership === "wants");
    this.#noted = membership;
  }

  /** Takes parts over whose claims are this node's. */
  async #gain(claims: readonly OwnedPart[]): Promise<void> {
    if (claims.length === 0) return;
    await this.#losing;
    const rows = await this.#load(claims);
    if (rows.parts.length === 0) return;
    if (this.#ended) return await this.#node.release(this.subscription, rows.parts);
    for (const part of rows.parts) this.#owned.set(part.part, part);
    await this.#owner.gained(rows);
  }

  /** The rows of those of these parts that still have these epochs. */
  async #load(asked: readonly OwnedPart[]): Promise<PartRows> {
    const epochs = new Map(asked.map(({ part, epoch }) => [part, epoch]));
    for (;;) {
      const rows = await this.#node.load(this.subscription, [...epochs.keys()]);
      const still = rows.parts.filter(({ part, epoch }) => epochs.get(part) === epoch);
      if (still.length === epochs.size) return rows;
      for (const part of epochs.keys()) {
        if (!still.some((one) => one.part === part)) epochs.delete(part);
      }
    }
  }

  /** Has the driver read again what somebody else has changed. */
  async #reload(parts: readonly number[]): Promise<void> {
    if (this.#ended) return;
    let lost: readonly number[] = [];
    await this.#owner.changed(async () => {
      const asked = parts.flatMap((part) => this.#owned.get(part) ?? []);
      if (asked.length === 0) return;
      try {
        const rows = await this.#load(asked);
        const there = new Map(rows.parts.map((one) => [one.part, one]));
        lost = asked.map(({ part }) => part).filter((part) => !there.has(part));
        for (const one of rows.parts) if (this.#owned.has(one.part)) this.#owned.set(one.part, one);
        return rows;
      } catch (error) {
        // The next look finds that they are this node's, and has them read again.
        this.#node.failed(error, `the parts of ${this.subscription}`);
        lost = asked.map(({ part }) => part);
      }
    });
    await this.#lose(lost);
  }

  #lose(parts: readonly number[]): Promise<unknown> {
    const mask = maskOf(parts);
    if (mask === 0) return this.#losing;
    for (const part of parts) this.#owned.delete(part);
    if (this.#ended) return this.#losing;
    const lost = this.#owner.lost(mask);
    return this.#losing = Promise.all([this.#losing, lost]);
  }

  /** Gives parts back, each once nothing of it is leased, or after some time. */
  #leave(asked: PartMask): void {
    if (this.#ended) return;
    for (const part of partsIn(asked & ~this.#leaving)) {
      this.#leaving |= 1 << part;
      void this.#left(1 << part).then(() => {
        this.#free.add(part);
        this.#giving ??= this.#giveLeft();
      });
    }
  }

  /** Resolves when nothing of these parts is leased, or after some time. */
  async #left(mask: PartMask): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#node.clock.setTimer(resolve, this.#node.leaveMs);
    await Promise.race([this.#owner.leaving(mask), late]);
    cancel();
  }

  /** Those that can be given back by the time of a request go with it. */
  async #giveLeft(): Promise<void> {
    while (this.#free.size > 0) {
      const parts = [...this.#free];
      this.#free.clear();
      await this.#giveBack(parts)
        .catch((error) => this.#node.failed(error, `the parts of ${this.subscription}`));
      this.#leaving &= ~maskOf(parts);
    }
    this.#giving = undefined;
    this.#node.look();
  }

  async #giveBack(parts: readonly number[]): Promise<void> {
    const claims = parts.flatMap((part) => this.#owned.get(part) ?? []);
    await this.#lose(claims.map(({ part }) => part));
    if (claims.length > 0) await this.#node.release(this.subscription, claims);
  }

  async refused({ fences, changed }: FencedError): Promise<void> {
    this.#node.tally.fenced++;
    const own = (all: readonly Fence[]) =>
      all.filter(({ subscription }) => subscription === this.subscription).map(({ part }) => part);
    await this.#lose(own(fences));
    const read = own(changed).filter((part) => this.#owned.has(part));
    if (read.length > 0) await this.#reload(read);
    this.#node.look();
  }

  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#wanted = false;
    this.#settled = true;
    try {
      await this.#turn;
      await this.#giving;
      await this.#giveBack([...this.#owned.keys()]);
      await this.#note();
    } catch (error) {
      this.#node.failed(error, `the parts of ${this.subscription}`);
    }
    this.#node.ended(this);
  }
}
