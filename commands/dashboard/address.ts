/** Where the dashboard listens: on the loopback interface and nowhere else. */
import { InvalidArgumentError } from "../../core/base/errors.ts";

/** An address to listen at. */
export interface ListenAddress {
  /** `127.0.0.1` or another of the kind, or `::1`. */
  hostname: string;
  /** 0: any that is free. */
  port: number;
}

/** The port without `--listen`. IANA has assigned it to nobody. */
export const DEFAULT_PORT = 7387;

/** `HOST:PORT`, `[HOST]:PORT`, or a port alone. */
const FORM = /^(?:(?:\[([^\]]*)\]|([^:[\]]*)):)?(\d{1,5})$/;
const LOOPBACK_V4 = /^127(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;

/** Reads `--listen`. Throws if others could reach it there. */
export function listenAddress(text: string): ListenAddress {
  const [, inBrackets, bare, digits] = FORM.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65535) {
    throw new InvalidArgumentError(`--listen is an address and a port, not ${quoted(text)}`, {
      hint: `--listen 127.0.0.1:${DEFAULT_PORT}, or port 0 for any that is free`,
    });
  }
  if (inBrackets === "::1") return { hostname: "::1", port };
  const named = bare ?? (inBrackets === undefined ? "127.0.0.1" : "");
  const hostname = named === "localhost" ? "127.0.0.1" : named;
  if (LOOPBACK_V4.test(hostname)) return { hostname, port };
  throw new InvalidArgumentError(
    `the dashboard listens on loopback only, and ${quoted(text)} is not: others could reach it`,
    {
      code: "dashboard/not-loopback",
      hint: `--listen 127.0.0.1:${port}; from another machine: ` +
        `ssh -L ${port || DEFAULT_PORT}:127.0.0.1:${port || DEFAULT_PORT} THIS-MACHINE`,
    },
  );
}

/** The address as it stands in a URL. */
export function inUrl({ hostname, port }: ListenAddress): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/**
 * The names under which a browser may ask for it. Any other one was made to lead here by somebody
 * else (DNS rebinding). The port is not compared: `ssh -L` may give it another one.
 */
export function ownNames({ hostname }: ListenAddress): ReadonlySet<string> {
  const own = hostname.includes(":") ? `[${hostname}]` : hostname;
  return new Set([own, "localhost"]);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
