/**
 * Which parts of a subscription a node owns: all nodes that want some have as many, to one part.
 * Each node decides for itself from what it sees, so the rule depends on nothing else: who sees the
 * same, decides what fits together. A part is never taken from a node that is there: it gives back
 * what it has too many of, and others claim what is free.
 */

/** A subscription as a node sees it. */
export interface ShareView {
  /** This node. */
  node: string;
  /** The nodes that are there and want parts. */
  wanting: readonly string[];
  /** Who owns each part; undefined: nobody, or a node that is gone. */
  owners: readonly (string | undefined)[];
}

/** What a node does about it. */
export interface ShareStep {
  /** Parts to claim. */
  claim: number[];
  /** Parts to give back. */
  release: number[];
}

/** How many of so many parts are a node's, if these want some. */
export function quotaOf(parts: number, { node, wanting }: Omit<ShareView, "owners">): number {
  const nodes = [...new Set(wanting)].sort();
  const place = nodes.indexOf(node);
  if (place < 0) return 0;
  // Those that come first have the rest: rounded up for all, the last ones would get none.
  return Math.floor(parts / nodes.length) + (place < parts % nodes.length ? 1 : 0);
}

/** What a node does to have its share. */
export function planShare({ node, wanting, owners }: ShareView): ShareStep {
  const quota = quotaOf(owners.length, { node, wanting });
  const numbers = owners.map((_, part) => part);
  const own = numbers.filter((part) => owners[part] === node);
  const free = numbers.filter((part) => owners[part] === undefined);
  return {
    claim: free.slice(0, Math.max(0, quota - own.length)),
    release: own.slice(quota),
  };
}
