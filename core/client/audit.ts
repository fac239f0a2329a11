/** Requests about the audit log. */
import type { AuditQuery, AuditRecord } from "../event/audit.ts";
import type { Client } from "./client.ts";

/** A part of the audit log, the newest first. `next` is the `before` of the next page. */
export interface ActsPage {
  acts: AuditRecord[];
  next?: number;
}

/** What was done. */
export async function auditPage(client: Client, query: Partial<AuditQuery>): Promise<ActsPage> {
  return await client.call({ method: "GET", path: "/v1/audit", query: { ...query } });
}
