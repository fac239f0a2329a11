/** What the server says about itself: which daemon it shows, and what may be done here. */
import { useLive } from "./live.ts";

/** `GET /dashboard/session`. */
export interface SessionReply {
  version: string;
  /** Nothing can be changed here. */
  readOnly: boolean;
  socket: string;
  dataDir: string;
  /** How a command line begins that reaches the same daemon, quoted for a shell. */
  command?: string;
}

/** The session. Until it is known nothing can be changed. */
export interface Session {
  readOnly: boolean;
  evs: string;
  about: SessionReply | undefined;
}

/** Asked for once, and again after the server did not answer. */
export function useSession(): Session {
  const { data } = useLive<SessionReply>("/dashboard/session", { every: 30_000 });
  return { readOnly: data?.readOnly ?? true, evs: data?.command ?? "evs", about: data };
}
