/** Asks a daemon for its history: `GET /v1/history`. */
import type { HistoryQuery, HistoryReply } from "../protocol/history.ts";
import type { CallOptions, Client } from "./client.ts";

/** The numbers of the last 72 hours, for a chart. */
export async function readHistory(
  client: Client,
  { topics = [], subscriptions = [], from, until, step }: HistoryQuery = {},
  options: CallOptions = {},
): Promise<HistoryReply> {
  const query = { topic: topics, subscription: subscriptions, from, until, step };
  return await client.call({ method: "GET", path: "/v1/history", query }, options);
}
