/** Nodes: the daemons and brokers that share one database, and what each of them has to do. */

/** The code of the error for who wants events of a node that is to give back what it owns. */
export const NODE_DRAINED = "node/drained";

/** True for it, from wherever it came. */
export function isNodeDrained(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === NODE_DRAINED;
}

/** A node, as the database knows it. */
export interface NodeInfo {
  /** Its name: the machine's, and a word that is new with each start. */
  node: string;
  version: string;
  /** When it started, Unix ms by the database's clock. */
  startedAt: number;
  /** How long ago it said that it is there, ms by the database's clock. */
  seenMs: number;
  /** False: it was silent for so long that others may take over what it owns. */
  alive: boolean;
  /** It is asked to give back what it owns, and takes nothing. */
  draining: boolean;
  /** How many parts of subscriptions it owns. */
  parts: number;
  /** It is the one that answers. */
  self?: true;
}

/** What a node owns of a subscription. */
export interface PartOwners {
  /** Absent: nobody owns these. */
  node?: string;
  /** The numbers of the parts, from 0. */
  parts: number[];
  /** As in {@link NodeInfo}; absent if nobody owns them, or the node is not known any more. */
  seenMs?: number;
}

/** The database that nodes share. */
export interface ClusterInfo {
  /** The node that answers. */
  node: string;
  /** Where the database is. */
  database: string;
  /** The version of its server; empty as long as it was never reached. */
  server: string;
  /** True if what was acknowledged survives a power cut of the server, as its settings say. */
  durable: boolean;
  /** The server's standbys, and whether a commit waits for them. */
  standbys: { name: string; state: string }[];
  /**
   * For how long the oldest transaction has been open that keeps dead rows from being cleared away,
   * ms; 0 without one.
   */
  oldestSnapshotMs: number;
  nodes: NodeInfo[];
}

/** `POST /v1/alerts/turn`: an `evs alert` asks whether it tells what is of all nodes. */
export interface AlertTurnRequest {
  /** Of those with the same name, one does. */
  name: string;
  /** Who asks: the same for as long as it remembers by itself what it told. */
  holder: string;
  /** After how long of silence another one takes the turn, ms. */
  ttlMs: number;
  /** What is to be remembered; absent: the turn is asked for. */
  memory?: string;
}

/** The reply. */
export interface AlertTurn {
  /** It is the turn of the one who asks. */
  held: boolean;
  /** What was remembered last, by whoever had the turn; absent: nothing, or it is not held. */
  memory?: string;
}

/** `GET /v1/nodes`. */
export interface NodesReply {
  nodes: NodeInfo[];
}

/** `POST /v1/nodes/drain`. */
export interface DrainRequest {
  /** Absent: the node that answers. */
  node?: string;
  /** False: it takes work again. Default true. */
  draining?: boolean;
}
