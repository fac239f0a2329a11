/** Whether the daemon keeps causes of dead letters as groups: with notes, and with a state. */
import type { StatusReply } from "../../core/protocol/status.ts";
import { useLive } from "./live.ts";

/** False until it is known. An application's own queue of dead letters has no groups. */
export function useGroupSupport(): boolean {
  const { data } = useLive<StatusReply & { deadLettersOpen?: number }>("/v1/status");
  return data?.deadLettersOpen !== undefined;
}
