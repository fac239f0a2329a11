/**
 * Shows in which order a share claims, reads, loses and gives back, and what it does when something
 * comes in between. That real nodes divide a subscription so is shown on a server
 * (tests/system/postgres/node_test.ts).
 */
import assert from "node:assert/strict";
import type { OwnedPart, PartRows } from "../../../../core/state/coordinator.ts";
import { FencedError } from "../../../../core/state/fences.ts";
import type { SeenClaim } from "../../../../core/state/postgres/claims.ts";
import { PostgresShare, type ShareNode } from "../../../../core/state/postgres/node_share.ts";
import type { ClaimsView } from "../../../../core/state/postgres/share_steps.ts";
import { FakeClock } from "../../../helpers/fake_clock.ts";
import { FakeOwner } from "../../../system/postgres/fake_owner.ts";

/** One node, with the claims of two parts in memory. */
class FakeNode implements ShareNode {
  readonly name = "a";
  readonly tally = { claimed: 0, takenOver: 0, lost: 0, fenced: 0 };
  readonly clock = new FakeClock();
  readonly leaveMs = 30_000;
  isFresh = true;
  draining = false;
  /** In order. */
  readonly calls: string[] = [];
  readonly errors: unknown[] = [];
  claims: SeenClaim[] = [];
  isMember = false;
  isCurrentShare = true;
  /** Called before rows are read. */
  reading: () => Promise<void> | void = () => {};

  readonly owner = new FakeOwner();
  readonly share = new PostgresShare({
    subscription: "s",
    count: 2,
    madeAt: 1,
    owner: this.owner,
    node: this,
  });

  look(): void {
    this.calls.push("look");
  }

  ended(): void {
    this.calls.push("ended");
  }

  isCurrent(): boolean {
    return this.isCurrentShare;
  }

  join(_subscription: string, wants: boolean): Promise<void> {
    this.isMember = true;
    return this.#call(`join ${wants}`);
  }

  leave(): Promise<void> {
    this.isMember = false;
    return this.#call("leave");
  }

  async claim(_subscription: string, parts: readonly number[]): Promise<OwnedPart[]> {
    await this.#call(`claim ${parts}`);
    for (const part of parts) this.put(part, "a");
    return this.claims.filter(({ part }) => parts.includes(part)).map(partOf);
  }

  async release(_subscription: string, parts: readonly OwnedPart[]): Promise<void> {
    await this.#call(`release ${parts.map(({ part }) => part)}`);
    for (const { part } of parts) this.put(part, undefined, { isOwner: false });
  }

  async load(_subscription: string, parts: readonly number[]): Promise<PartRows> {
    await this.#call(`load ${parts}`);
    await this.reading();
    const none = { cursors: [], done: [], missed: [], expired: [], retries: [] };
    const there = this.claims.filter(({ part }) => parts.includes(part)).map(partOf);
    return { parts: there, ...none, unanswered: [], begun: [] };
  }

  failed(error: unknown): void {
    this.errors.push(error);
  }

  #call(name: string): Promise<void> {
    this.calls.push(name);
    return Promise.resolve();
  }

  /** A part goes to a node, with another epoch unless it is given back. */
  put(part: number, node: string | undefined, { isOwner = true } = {}): void {
    const before = this.claims.find((one) => one.part === part);
    const epoch = (before?.epoch ?? 0) + (isOwner ? 1 : 0);
    this.claims = this.claims.filter((one) => one !== before);
    const claim = { subscription: "s", part, node, epoch, rev: 0, over: node === undefined };
    this.claims.push(claim);
  }

  get view(): ClaimsView {
    const members = this.isMember
      ? [{ subscription: "s", node: "a", wants: true, there: true }]
      : [];
    return { node: "a", count: 2, claims: this.claims.map((one) => ({ ...one })), members };
  }

  /** A look, and what it leads to. */
  async see(options?: { wasStale?: boolean }): Promise<void> {
    this.share.see(this.view, options);
    await turns();
  }

  /** It owns both parts. */
  async begin(): Promise<void> {
    this.share.want(true);
    await this.see();
    await this.see();
    assert.deepEqual(this.owner.parts, [0, 1]);
    this.calls.length = 0;
    this.owner.told.length = 0;
  }
}

const partOf = ({ part, epoch, rev }: SeenClaim): OwnedPart => ({ part, epoch, rev });

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

const withoutLooks = ({ calls }: FakeNode) => calls.filter((call) => call !== "look");

Deno.test("PostgresShare says that it wants parts, claims them, and reads them then", async () => {
  const node = new FakeNode();
  node.share.want(true);
  assert.ok(node.share.settling);
  await node.see();
  assert.deepEqual(withoutLooks(node), ["join true"], "a look of before says nothing of it");
  await node.see();
  assert.deepEqual(withoutLooks(node), ["join true", "claim 0,1", "load 0,1"]);
  assert.deepEqual(node.owner.told, [{ what: "gained", parts: [0, 1] }]);
  assert.ok(!node.share.settling);
  await node.see();
  assert.ok(node.share.allOwned);
});

Deno.test("PostgresShare does not take a part that another node has claimed while it was read", async () => {
  const node = new FakeNode();
  node.share.want(true);
  await node.see();
  node.reading = () => {
    node.reading = () => {};
    node.put(1, "b");
  };
  await node.see();
  assert.deepEqual(withoutLooks(node).slice(-2), ["load 0,1", "load 0"]);
  assert.deepEqual(node.owner.parts, [0]);
});

Deno.test("PostgresShare reads again only after what it has lost has left the driver", async () => {
  const node = new FakeNode();
  await node.begin();
  const left = Promise.withResolvers<void>();
  const lost = node.owner.lost.bind(node.owner);
  node.owner.lost = async (parts) => {
    await left.promise;
    await lost(parts);
  };
  node.put(0, "b");
  node.put(0, "a");
  await node.see();
  assert.deepEqual(withoutLooks(node), []);
  left.resolve();
  await turns();
  assert.deepEqual(withoutLooks(node), ["load 0"]);
  assert.equal(node.owner.owned.get(0)!.epoch, 3);
});

Deno.test("PostgresShare gives a part back after the driver has left it, and says no more then", async () => {
  const node = new FakeNode();
  await node.begin();
  node.owner.lease(1);
  node.share.want(false);
  await node.see();
  assert.deepEqual(withoutLooks(node), ["join false", "release 0"]);
  assert.deepEqual(node.owner.told.at(-1), { what: "lost", parts: [0] });
  node.owner.lease();
  await turns();
  await node.see();
  assert.deepEqual(withoutLooks(node), ["join false", "release 0", "release 1", "leave"]);
  assert.ok(!node.share.isActive);
});

Deno.test("PostgresShare gives a part back in the end that stays leased", async () => {
  const node = new FakeNode();
  await node.begin();
  node.owner.lease(0, 1);
  node.draining = true;
  await node.see();
  await node.clock.pass(29_999);
  assert.deepEqual(withoutLooks(node), ["join false"]);
  await node.clock.pass(1);
  assert.deepEqual(withoutLooks(node), ["join false", "release 0", "release 1"]);
});

Deno.test("PostgresShare has the driver read all again after it was silent for too long", async () => {
  const node = new FakeNode();
  await node.begin();
  await node.see({ wasStale: true });
  assert.deepEqual(node.owner.told, [{ what: "changed", parts: [0, 1] }]);
});

Deno.test("PostgresShare tells of a refused commit what is lost and reads what was changed", async () => {
  const node = new FakeNode();
  await node.begin();
  const [one, two] = node.claims.map(partOf);
  node.put(0, "b");
  node.claims.find(({ part }) => part === 1)!.rev = 5;
  const error = new FencedError([{ subscription: "s", ...one! }], [{ subscription: "s", ...two! }]);
  await node.share.refused(error);
  assert.deepEqual(node.owner.told, [
    { what: "lost", parts: [0] },
    { what: "changed", parts: [1] },
  ]);
  assert.equal(node.owner.owned.get(1)!.rev, 5);
});

Deno.test("PostgresShare loses a part whose rows cannot be read again", async () => {
  const node = new FakeNode();
  await node.begin();
  node.reading = () => Promise.reject(new Error("the server is away"));
  node.claims.find(({ part }) => part === 1)!.rev = 5;
  await node.see();
  assert.deepEqual(node.owner.told.at(-1), { what: "lost", parts: [1] });
  assert.equal(node.errors.length, 1);
  node.reading = () => {};
  await node.see();
  assert.deepEqual(node.owner.told.at(-1), { what: "gained", parts: [1] });
});

Deno.test("PostgresShare gives all back at its end", async () => {
  const node = new FakeNode();
  await node.begin();
  await node.share.end();
  assert.deepEqual(withoutLooks(node), ["release 0,1", "leave", "ended"]);
  node.share.want(true);
  assert.ok(!node.share.isActive);
});

Deno.test("PostgresShare does not say in place of the next one that its node has left", async () => {
  const node = new FakeNode();
  await node.begin();
  // The subscription was removed, and made again: this node's row is that of the new one.
  node.isCurrentShare = false;
  await node.share.end();
  assert.deepEqual(withoutLooks(node), ["release 0,1", "ended"]);
});
