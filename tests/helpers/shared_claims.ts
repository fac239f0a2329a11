/**
 * Who owns which part of a subscription, in memory: the claims of a database that the brokers of one
 * process share, with epochs and revs that rise as they do there. Each look at the claims takes some
 * turns, so whatever is decided from one may be old by then. There is no time in it: a test says
 * which node is silent, and then others take over what it owns.
 */
import { maskOf } from "../../core/event/part.ts";
import { planShare } from "../../core/event/part_share.ts";
import type {
  Coordinator,
  OwnedPart,
  PartOwner,
  PartRows,
  PartShare,
} from "../../core/state/coordinator.ts";
import { type Fence, FencedError } from "../../core/state/fences.ts";
import type { QueueRows } from "../../core/state/part_rows.ts";

interface Claim {
  node: string | undefined;
  epoch: number;
  rev: number;
}

/** What claims are about. */
export interface SharedClaimsContext {
  /** How many parts a new subscription has. */
  parts: number;
  /** The rows of parts, as they are now. */
  rows(subscription: string, parts: readonly number[]): QueueRows;
  /** Takes the time of a question to the database. */
  take(): Promise<void>;
}

/** The claims of all subscriptions. */
export class SharedClaims {
  readonly context: SharedClaimsContext;
  readonly #claims = new Map<string, Claim[]>();
  readonly #shares = new Set<ClaimedShare>();
  readonly #silent = new Set<string>();
  readonly #draining = new Set<string>();

  constructor(context: SharedClaimsContext) {
    this.context = context;
  }

  /** One node. */
  coordinator(node: string): Coordinator {
    const draining = this.#draining;
    return {
      node,
      parts: this.context.parts,
      get draining() {
        return draining.has(node);
      },
      share: ({ name, parts = 1 }, owner) => {
        const share = new ClaimedShare(this, { node, subscription: name, parts }, owner);
        this.#shares.add(share);
        return share;
      },
    };
  }

  /** The driver of a node, as its share calls it. */
  ownerOf(node: string, subscription: string): PartOwner {
    return [...this.#shares]
      .find((share) => share.node === node && share.subscription === subscription)!.owner;
  }

  /** The rows of parts, and what is known of these. */
  load(subscription: string, parts?: readonly number[]): PartRows {
    const claims = this.of(subscription);
    const asked = parts ?? [...claims.keys()];
    return {
      ...this.context.rows(subscription, asked),
      parts: asked.map((part) => {
        const { epoch, rev } = claims[part]!;
        return { part, epoch, rev };
      }),
    };
  }

  /** The claims of a subscription. */
  of(subscription: string, parts = this.context.parts): Claim[] {
    let claims = this.#claims.get(subscription);
    if (!claims) {
      const none = (): Claim => ({ node: undefined, epoch: 0, rev: 0 });
      this.#claims.set(subscription, claims = Array.from({ length: parts }, none));
    }
    return claims;
  }

  /** Who owns each part; a node that is silent owns nothing. */
  owners(subscription: string): (string | undefined)[] {
    return this.of(subscription).map(({ node }) => node && this.isSilent(node) ? undefined : node);
  }

  /** The nodes that want parts and are heard. */
  wanting(subscription: string): string[] {
    return [...this.#shares]
      .filter((share) => share.subscription === subscription && share.wants)
      .map(({ node }) => node)
      .filter((node) => !this.isSilent(node) && !this.#draining.has(node));
  }

  /** Nothing of a node is heard, and it hears nothing: its parts may be claimed. */
  silence(node: string): void {
    this.#silent.add(node);
    this.wake();
  }

  /** A node that was silent goes on. */
  hear(node: string): void {
    this.#silent.delete(node);
    this.wake();
  }

  /** A node is to give back what it owns, and to take nothing. */
  drain(node: string): void {
    this.#draining.add(node);
    this.wake();
  }

  isSilent(node: string): boolean {
    return this.#silent.has(node);
  }

  /** Sets whether a node may lease, as after a while without an answer of the database. */
  let(node: string, mayDeliver: boolean): void {
    for (const share of this.#shares) {
      if (share.node === node) void share.let(mayDeliver);
    }
  }

  /** Somebody has changed rows of a subscription that its owners have to read again. */
  change(subscription: string): void {
    for (const claim of this.of(subscription)) claim.rev++;
    this.wake(subscription);
  }

  /** Somebody has changed its positions: nobody owns any of it now. */
  seize(subscription: string): void {
    for (const claim of this.#claims.get(subscription) ?? []) {
      claim.epoch++;
      claim.node = undefined;
    }
    this.wake(subscription);
  }

  /** Parts are another node's, and who had them does not know. */
  take(subscription: string, parts: readonly number[], node: string): void {
    for (const part of parts) {
      const claim = this.of(subscription)[part]!;
      claim.node = node;
      claim.epoch++;
    }
  }

  /** Throws if one of these does not hold. */
  check(fences: readonly Fence[]): void {
    const is = ({ subscription, part }: Fence) => this.of(subscription)[part];
    const lost = fences.filter((fence) => is(fence)?.epoch !== fence.epoch);
    const changed = fences.filter((fence) =>
      !lost.includes(fence) && fence.rev !== undefined && is(fence)?.rev !== fence.rev
    );
    if (lost.length + changed.length > 0) throw new FencedError(lost, changed);
  }

  /** Has all nodes look at the claims. */
  wake(subscription?: string): void {
    for (const share of this.#shares) {
      if (subscription === undefined || share.subscription === subscription) share.look();
    }
  }

  /** A driver has ended. */
  end(share: ClaimedShare): void {
    this.#shares.delete(share);
    this.wake(share.subscription);
  }
}

/** A node's share of a subscription. */
class ClaimedShare implements PartShare {
  readonly node: string;
  readonly subscription: string;
  readonly #claims: SharedClaims;
  readonly owner: PartOwner;
  readonly #all: Claim[];
  /** What the owner was told. */
  readonly #held = new Map<number, OwnedPart>();
  readonly #leaving = new Set<number>();
  #looking: Promise<void> | undefined;
  #again = false;
  #ended = false;
  wants = false;
  mayDeliver = true;
  settling = false;

  constructor(
    claims: SharedClaims,
    of: { node: string; subscription: string; parts: number },
    owner: PartOwner,
  ) {
    this.#claims = claims;
    this.node = of.node;
    this.subscription = of.subscription;
    this.#all = claims.of(of.subscription, of.parts);
    this.owner = owner;
  }

  get allOwned(): boolean {
    return this.#claims.owners(this.subscription).every((owner) => owner !== undefined);
  }

  want(wanted: boolean): void {
    this.wants = wanted;
    this.settling = wanted;
    this.#claims.wake(this.subscription);
  }

  async let(mayDeliver: boolean): Promise<void> {
    this.mayDeliver = mayDeliver;
    if (mayDeliver) await this.owner.changed(() => Promise.resolve(undefined));
  }

  async refused({ fences, changed }: FencedError): Promise<void> {
    await this.#claims.context.take();
    // By now it may own them again.
    const lost = fences.filter(({ part, epoch }) => this.#held.get(part)?.epoch === epoch);
    await this.#lose(lost.map(({ part }) => part));
    if (changed.length > 0) await this.#reload();
    this.look();
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.wants = false;
    this.#release([...this.#held.keys()]);
    this.#claims.end(this);
    await this.#looking;
  }

  /** Looks at the claims, once more if somebody asks meanwhile. */
  look(): void {
    this.#again = true;
    this.#looking ??= this.#lookOn().finally(() => this.#looking = undefined);
  }

  async #lookOn(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      await this.#claims.context.take();
      if (this.#ended || this.#claims.isSilent(this.node)) continue;
      await this.#lose(
        [...this.#held].filter(([part, { epoch }]) => this.#all[part]!.epoch !== epoch).map((
          [part],
        ) => part),
      );
      if ([...this.#held.values()].some(({ part, rev }) => this.#all[part]!.rev !== rev)) {
        await this.#reload();
      }
      await this.#share();
    }
  }

  async #share(): Promise<void> {
    const { node, subscription } = this;
    const { claim, release } = planShare({
      node,
      wanting: this.#claims.wanting(subscription),
      owners: this.#claims.owners(subscription),
    });
    const leaving = release.filter((part) => this.#held.has(part) && !this.#leaving.has(part));
    if (leaving.length > 0) void this.#leave(leaving);
    const gained = claim.map((part): OwnedPart => {
      const one = this.#all[part]!;
      one.node = node;
      one.epoch++;
      return { part, epoch: one.epoch, rev: one.rev };
    });
    if (gained.length > 0) await this.#gain(gained);
    if (!this.settling) return;
    this.settling = false;
    await this.owner.changed(() => Promise.resolve(undefined));
  }

  async #gain(claimed: readonly OwnedPart[]): Promise<void> {
    await this.#claims.context.take();
    const parts = claimed.filter(({ part, epoch }) => this.#all[part]!.epoch === epoch);
    for (const owned of parts) this.#held.set(owned.part, owned);
    if (this.#ended) this.#release(parts.map(({ part }) => part));
    else if (parts.length > 0) await this.owner.gained({ ...this.#rows(parts), parts });
  }

  #rows(parts: readonly OwnedPart[]): QueueRows {
    return this.#claims.context.rows(this.subscription, parts.map(({ part }) => part));
  }

  async #leave(parts: readonly number[]): Promise<void> {
    for (const part of parts) this.#leaving.add(part);
    await this.owner.leaving(maskOf(parts));
    for (const part of parts) this.#leaving.delete(part);
    await this.owner.lost(maskOf(parts));
    this.#release(parts);
    this.#claims.wake(this.subscription);
  }

  #release(parts: readonly number[]): void {
    for (const part of parts) {
      const one = this.#all[part]!;
      if (one.node === this.node && one.epoch === this.#held.get(part)?.epoch) one.node = undefined;
      this.#held.delete(part);
    }
  }

  async #lose(parts: readonly number[]): Promise<void> {
    if (parts.length === 0) return;
    for (const part of parts) this.#held.delete(part);
    await this.owner.lost(maskOf(parts));
  }

  async #reload(): Promise<void> {
    await this.owner.changed(async () => {
      await this.#claims.context.take();
      const parts = [...this.#held.values()].map(({ part, epoch }) => (
        { part, epoch, rev: this.#all[part]!.rev }
      )).filter(({ part, epoch }) => this.#all[part]!.epoch === epoch);
      for (const owned of parts) this.#held.set(owned.part, owned);
      return { ...this.#rows(parts), parts };
    });
  }
}
