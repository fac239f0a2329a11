/** The routes of groups of dead letters. */
import type { ActOptions } from "../../core/event/audit.ts";
import {
  GROUP_LISTS,
  LONGEST_GROUP_NOTE,
  MOST_GROUP_MORE,
} from "../../core/event/dead_letter_group.ts";
import { checkRedaction, MOST_OF_BY } from "../../core/event/redaction.ts";
import type { DeadLetterGroupDetail } from "../../core/protocol/dead_letter_groups.ts";
import { noteText, type StateDeadLetterGroups } from "../../core/dead_letter/groups.ts";
import { jsonRoute } from "../http/json_route.ts";
import { type Route, sendJson } from "../http/router.ts";
import { checkedText, choice, object, type ObjectShape, valueIn, whole } from "../http/shape.ts";
import { actOf } from "./audit.ts";
import { filterIn } from "./dead_letters.ts";
import { deadLetterFilter } from "./shapes.ts";

const state = choice(GROUP_LISTS);
const by = checkedText({ minLength: 1, maxLength: MOST_OF_BY }, (by) => {
  checkRedaction({ by });
  return by;
});
const noteRequest = object({
  text: checkedText({ minLength: 1, maxLength: LONGEST_GROUP_NOTE, pattern: "\\S" }, noteText),
  by,
}, { required: ["text"] });
const dismissRequest = object({ more: whole([1, MOST_GROUP_MORE]), by });
const actRequest = object({ by });

/** An act on one group; the log says who did it. */
function act<T extends { by?: string }>(
  name: "notes" | "dismiss" | "resolve" | "reopen",
  { body, required = false, run }: {
    body: ObjectShape<T>;
    required?: boolean;
    run(
      groups: StateDeadLetterGroups,
      id: string,
      request: { body: T; how: ActOptions },
    ): Promise<DeadLetterGroupDetail>;
  },
): Route {
  return jsonRoute({
    method: "POST",
    path: `/v1/dead-letter-groups/{group}/${name}`,
    body,
    required,
    async accept(request, { body, reply }) {
      const { services: { broker: { deadLetters }, disk, log }, params } = request;
      const how = actOf(request);
      const result = await disk.makeRoom(() =>
        run(deadLetters.groups, params["group"]!, { body, how })
      );
      log.logger.info("dead-letter group", { group: result.id, act: name, by: body.by });
      sendJson(reply, 200, result);
    },
  });
}

/** List, show, note, dismiss, resolve, reopen. */
export const deadLetterGroupRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/dead-letter-groups",
    query: { ...deadLetterFilter, state },
    async handle({ services, query }, reply) {
      const listed = valueIn(query, { name: "state", shape: state });
      const filter = { ...filterIn(query), ...(listed === undefined ? {} : { state: listed }) };
      sendJson(reply, 200, { groups: await services.broker.deadLetters.groups.list(filter) });
    },
  },
  {
    method: "GET",
    path: "/v1/dead-letter-groups/{group}",
    async handle({ services, params }, reply) {
      sendJson(reply, 200, await services.broker.deadLetters.groups.get(params["group"]!));
    },
  },
  act("notes", {
    body: noteRequest,
    required: true,
    run: (groups, id, { body: { text, ...options }, how }) => groups.note(id, text, options, how),
  }),
  act("dismiss", {
    body: dismissRequest,
    run: (groups, id, { body, how }) => groups.dismiss(id, body, how),
  }),
  act("resolve", {
    body: actRequest,
    run: (groups, id, { body, how }) => groups.resolve(id, body, how),
  }),
  act("reopen", {
    body: actRequest,
    run: (groups, id, { body, how }) => groups.reopen(id, body, how),
  }),
];
