/**
 * Shows what a node does about its parts once it has looked at the claims, and that nodes which each
 * decide for themselves come to own every part once.
 */
import assert from "node:assert/strict";
import fc from "../../../packages/fast_check.ts";
import type { OwnedPart } from "../../../../core/state/coordinator.ts";
import type { SeenClaim, SeenMember } from "../../../../core/state/postgres/claims.ts";
import {
  areAllOwned,
  type ClaimsView,
  lostParts,
  shareSteps,
} from "../../../../core/state/postgres/share_steps.ts";
import { dose } from "../../../helpers/dose.ts";

const subscription = "s";

function claim(part: number, node: string | undefined, more: Partial<SeenClaim> = {}): SeenClaim {
  return { subscription, part, node, epoch: 1, rev: 0, over: node === undefined, ...more };
}

function member(node: string, more: Partial<SeenMember> = {}): SeenMember {
  return { subscription, node, wants: true, there: true, ...more };
}

function view(claims: SeenClaim[], ...members: SeenMember[]): ClaimsView {
  return { node: "a", count: 4, claims, members };
}

const owned = (...parts: OwnedPart[]) => new Map(parts.map((one) => [one.part, one]));
const own = (part: number, epoch = 1, rev = 0): OwnedPart => ({ part, epoch, rev });

Deno.test("lostParts names what another node has, or has had meanwhile", () => {
  const claims = [claim(0, "a"), claim(1, "b", { epoch: 2 }), claim(2, "a", { epoch: 3 })];
  const parts = lostParts(view(claims, member("a")), owned(own(0), own(1), own(2), own(3)));
  assert.deepEqual(parts, [1, 2, 3]);
});

Deno.test("shareSteps claims what is free, of nodes that are gone, or was never claimed", () => {
  const claims = [claim(0, undefined), claim(1, "b", { over: true }), claim(2, "a")];
  const steps = shareSteps(view(claims, member("a")), { wants: true, owned: owned(own(2)) });
  assert.deepEqual(steps.claim, [0, 1, 3]);
  assert.deepEqual([steps.leave, steps.release, steps.found, steps.changed], [[], [], [], []]);
});

Deno.test("shareSteps takes its own for its own, although it was not seen for long", () => {
  const claims = [0, 1, 2, 3].map((part) => claim(part, "a", { over: true }));
  const all = owned(own(0), own(1), own(2), own(3));
  const steps = shareSteps(view(claims, member("a", { there: false })), {
    wants: true,
    owned: all,
  });
  assert.deepEqual(steps, { found: [], changed: [], leave: [], release: [], claim: [] });
});

Deno.test("shareSteps leaves what others want that are there, and does not wait for those that are not", () => {
  const claims = [0, 1, 2, 3].map((part) => claim(part, "a"));
  const all = owned(own(0), own(1), own(2), own(3));
  const leave = (...members: SeenMember[]) =>
    shareSteps(view(claims, member("a"), ...members), { wants: true, owned: all }).leave;
  assert.deepEqual(leave(member("b")), [2, 3]);
  assert.deepEqual(leave(member("b", { there: false })), []);
  assert.deepEqual(leave(member("b", { wants: false })), []);
});

Deno.test("shareSteps gives all back when nothing is wanted, at once what nobody here knows", () => {
  const claims = [claim(0, "a"), claim(1, "a", { epoch: 7 }), claim(2, "b")];
  const steps = shareSteps(view(claims, member("a")), { wants: false, owned: owned(own(0)) });
  assert.deepEqual(steps.leave, [0]);
  assert.deepEqual(steps.release, [own(1, 7)]);
  assert.deepEqual([steps.claim, steps.found], [[], []]);
});

Deno.test("shareSteps finds what it has claimed without having heard so, and what was changed", () => {
  const claims = [claim(0, "a", { rev: 2 }), claim(1, "a", { epoch: 7, rev: 1 }), claim(2, "a")];
  const known = owned(own(0, 1, 1), own(2));
  const steps = shareSteps(view(claims, member("a")), { wants: true, owned: known });
  assert.deepEqual(steps.found, [own(1, 7, 1)]);
  assert.deepEqual(steps.changed, [0]);
});

Deno.test("areAllOwned is true only if each part has a node that is there", () => {
  const claims = [0, 1, 2, 3].map((part) => claim(part, "b"));
  assert.ok(areAllOwned(view(claims)));
  assert.ok(!areAllOwned(view(claims.slice(1))));
  assert.ok(!areAllOwned(view([claim(0, undefined), ...claims.slice(1)])));
  assert.ok(!areAllOwned(view([claim(0, "b", { over: true }), ...claims.slice(1)])));
});

Deno.test("nodes that each decide for themselves come to own every part, shared out evenly", () =>
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("a", "b", "c", "gone", undefined), { minLength: 4, maxLength: 4 }),
      fc.subarray(["a", "b", "c"], { minLength: 1 }),
      fc.array(fc.constantFrom("a", "b", "c"), { minLength: 60, maxLength: 60 }),
      (owners, wanting, turns) => {
        const claims = owners.map((node, part) =>
          claim(part, node, { over: node === undefined || node === "gone" })
        );
        const members = ["a", "b", "c"].map((node) =>
          member(node, { wants: wanting.includes(node) })
        );
        for (const node of [...turns, "a", "b", "c", "a", "b", "c"]) {
          const seen = claims.map((one) => ({ ...one }));
          const mine = owned(...seen.filter((one) => one.node === node));
          const steps = shareSteps({ node, count: 4, claims: seen, members }, {
            wants: wanting.includes(node),
            owned: mine,
          });
          for (const part of steps.leave) claims[part] = claim(part, undefined);
          for (const part of steps.claim) {
            assert.ok(claims[part]!.over, "a part is never taken from a node that is there");
            claims[part] = claim(part, node);
          }
        }
        const counts = wanting.map((node) => claims.filter((one) => one.node === node).length);
        assert.equal(counts.reduce((sum, count) => sum + count), 4);
        assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join());
      },
    ),
    { numRuns: dose(200) },
  ));
