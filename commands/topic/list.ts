/** `evs topic list`. */
import { formatBytes, formatDuration } from "../../core/base/units.ts";
import { plainText, verb } from "../cli/define.ts";

export const route = verb<NonNullable<unknown>, [pattern?: string]>({
  brief: "List the topics",
  examples: [
    ["topic list", "All topics; in a pipe, one line of JSON each."],
    ["topic list 'orders.*'", "Topics that match a pattern."],
  ],
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        parse: plainText,
        brief: "Only topics that match",
        placeholder: "PATTERN",
        optional: true,
      }],
    },
  },
  async run(_flags, pattern) {
    const { compilePattern } = await import("../../core/event/topic_options.ts");
    const matches = pattern === undefined ? () => true : compilePattern(pattern);
    const client = await this.client();
    const topics = await client.topics();
    const shown = topics.filter(({ name }) => matches(name));
    await this.printRows(shown, (topic) => ({
      topic: topic.name,
      events: topic.events,
      "last seq": topic.lastSeq,
      size: formatBytes(topic.bytes),
      retention: topic.retentionPeriod === 0 ? "for ever" : formatDuration(topic.retentionPeriod),
      schema: topic.schema,
      store: topic.persistent ? topic.store : "none",
    }));
    if (shown.length === 0) {
      this.note(topics.length === 0 ? "There are no topics yet." : `No topic matches ${pattern}.`);
    }
  },
});
