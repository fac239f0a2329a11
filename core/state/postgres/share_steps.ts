/**
 * What a node does about its parts of one subscription once it has looked at the claims of all nodes:
 * a pure decision. What it finds is what holds, whatever it remembers: an answer may have been lost.
 */
import { planShare } from "../../event/part_share.ts";
import type { OwnedPart } from "../coordinator.ts";
import type { SeenClaim, SeenMember } from "./claims.ts";

/** The claims of a subscription as a node sees them. */
export interface ClaimsView {
  node: string;
  /** How many parts the subscription has. */
  count: number;
  claims: readonly SeenClaim[];
  members: readonly SeenMember[];
}

/** Of what this node does, by part. */
export interface ShareSteps {
  /** Its own by the claims, and not known here: its rows are to be loaded. */
  found: OwnedPart[];
  /** Somebody else has changed their rows. */
  changed: number[];
  /** To be given back once nothing of them is leased. */
  leave: number[];
  /** To be given back at once: nobody here has them. */
  release: OwnedPart[];
  claim: number[];
}

/** The parts that this node took for its own, and are not. */
export function lostParts(
  { node, claims }: ClaimsView,
  owned: ReadonlyMap<number, OwnedPart>,
): number[] {
  const own = new Map(claims.filter((one) => one.node === node).map((one) => [one.part, one]));
  return [...owned.values()].filter(({ part, epoch }) => own.get(part)?.epoch !== epoch)
    .map(({ part }) => part);
}

/** What to do; `owned` is without what {@link lostParts} has found. */
export function shareSteps(
  view: ClaimsView,
  { wants, owned }: { wants: boolean; owned: ReadonlyMap<number, OwnedPart> },
): ShareSteps {
  const own = view.claims.filter(({ node }) => node === view.node);
  const share = shareOf(view, wants);
  const given = new Set(share.release);
  const strays = own.filter(({ part }) => !owned.has(part));
  return {
    found: strays.filter(({ part }) => !given.has(part)).map(ownedPartOf),
    changed: own.filter(({ part, rev }) => owned.has(part) && owned.get(part)!.rev < rev)
      .map(({ part }) => part),
    leave: share.release.filter((part) => owned.has(part)),
    release: strays.filter(({ part }) => given.has(part)).map(ownedPartOf),
    claim: share.claim,
  };
}

function shareOf({ node, count, claims, members }: ClaimsView, wants: boolean) {
  const owners: (string | undefined)[] = Array.from({ length: count }, () => undefined);
  // Its own is not over: it is there.
  for (const one of claims) if (!one.over || one.node === node) owners[one.part] = one.node;
  if (!wants) {
    const release = owners.flatMap((owner, part) => owner === node ? [part] : []);
    return { claim: [], release };
  }
  const wanting = members.filter((one) => one.wants && (one.there || one.node === node))
    .map((one) => one.node);
  return planShare({ node, wanting: [...new Set([...wanting, node])], owners });
}

/** True if each part has a node that is there. */
export function areAllOwned({ count, claims }: ClaimsView): boolean {
  return claims.filter(({ node, over }) => node !== undefined && !over).length >= count;
}

function ownedPartOf({ part, epoch, rev }: SeenClaim): OwnedPart {
  return { part, epoch, rev };
}
