/**
 * What the unit of a daemon lets through to its database, and nothing else: which kinds of sockets,
 * which addresses, and what it waits for. Pure.
 */
import type { DatabaseAccess } from "../../core/client/launch.ts";
import type { Setting } from "./unit_syntax.ts";

/** The settings of a unit that differ where the store is a database. */
export interface DatabaseSettings {
  /** For `RestrictAddressFamilies=`. */
  families: string;
  /** False: its traffic stays within a network of its own, in which nothing else is. */
  usesNetwork: boolean;
  /** For `IPAddressAllow=`, all else being denied; undefined: not known before names are looked up. */
  addresses: string | undefined;
  /** Files of others that it reads or connects to. */
  files: readonly string[];
  /** Of the machine's service manager: units that are to be up before. */
  order: readonly Setting[];
}

/** A daemon that has its events in files of its own. */
export const WITHOUT_DATABASE: DatabaseSettings = {
  families: "AF_UNIX",
  usesNetwork: false,
  addresses: undefined,
  files: [],
  order: [],
};

/** The settings for the database that a daemon uses; undefined: it uses none. */
export function databaseSettings(access: DatabaseAccess | undefined): DatabaseSettings {
  if (access === undefined) return WITHOUT_DATABASE;
  const { net, socket, passfile, ca } = access;
  const files = [socket, passfile, ca].filter((path) => path !== undefined);
  if (socket !== undefined) return { ...WITHOUT_DATABASE, files, order: LOCAL };
  const host = hostOf(net);
  const isLocal = host === "localhost" || host === "::1" || host.startsWith("127.");
  return {
    files,
    families: ["AF_UNIX", ...familiesOf(host)].join(" "),
    usesNetwork: true,
    addresses: host === "localhost" || isAddress(host) ? host : undefined,
    order: isLocal ? LOCAL : REMOTE,
  };
}

const LOCAL: readonly Setting[] = [["After", "postgresql.service"]];
const REMOTE: readonly Setting[] = [
  ["Wants", "network-online.target"],
  ["After", "network-online.target"],
];

/** The host of `HOST:PORT`. */
function hostOf(net: string): string {
  return net.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

function isAddress(host: string): boolean {
  return host.includes(":") || /^\d{1,3}(\.\d{1,3}){3}$/.test(host);
}

/** A name may have addresses of both kinds. */
function familiesOf(host: string): string[] {
  if (!isAddress(host)) return ["AF_INET", "AF_INET6"];
  return host.includes(":") ? ["AF_INET6"] : ["AF_INET"];
}
