/** Topics as rows of a table. Pure. */
import type { TopicInfo } from "../../core/protocol/protocol.ts";
import type { SortValue } from "./sorting.ts";

/** What a column is sorted by. */
export const topicValues: Record<string, (info: TopicInfo) => SortValue> = {
  name: ({ name }) => name,
  events: ({ events }) => events,
  bytes: ({ bytes }) => bytes,
  rate: ({ rates }) => rates.last1m,
  newest: ({ newestAt }) => newestAt ?? -Infinity,
  store: ({ store }) => store,
  schema: ({ schema }) => schema,
};
