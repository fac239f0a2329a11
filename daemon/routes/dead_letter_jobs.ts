/** The routes of jobs: acts on many dead letters that the daemon does by itself. */
import { parseRate } from "../../core/base/rate.ts";
import type { DeadLetterJobRequest } from "../../core/protocol/dead_letter_jobs.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { jsonRoute } from "../http/json_route.ts";
import { type Route, sendJson } from "../http/router.ts";
import { checkedText, choice, object, refined, valueIn, whole } from "../http/shape.ts";
import { actOf } from "./audit.ts";
import { ALL_OR_SOME, checkSelection, deadLetterSelection } from "./dead_letters.ts";
import { subscriptionName } from "./shapes.ts";

/** The longest that a request waits for the end of a job, ms. */
const LONGEST_WAIT = 60_000;
const waitMs = whole([0, LONGEST_WAIT]);

const rate = checkedText({ pattern: "^[1-9][0-9]{0,8}/[smh]$" }, (value, place) => {
  parseRate(value, place);
  return value;
});

const { dryRun: _dryRun, ...selects } = deadLetterSelection;
const jobRequest = refined(
  object(
    { action: choice(["retry", "remove"]), ...selects, to: subscriptionName, rate },
    { required: ["action"] },
  ),
  (request: DeadLetterJobRequest) => {
    checkSelection(request);
    if (request.action === "retry" || request.to === undefined) return;
    throw new InvalidArgumentError("to goes with retry: what is removed is delivered to nobody", {
      details: { field: "to" },
    });
  },
  {
    ...ALL_OR_SOME,
    anyOf: [{ properties: { action: { const: "retry" } } }, { not: { required: ["to"] } }],
  },
);

/** Start, list, show and wait, cancel. */
export const deadLetterJobRoutes: Route[] = [
  jsonRoute({
    method: "POST",
    path: "/v1/dead-letter-jobs",
    body: jobRequest,
    required: true,
    async accept(request, { body, reply }) {
      const { services } = request;
      const job = await services.broker.deadLetters.jobs.begin(body, actOf(request));
      const { job: name, action, total, state } = job;
      if (state === "running") services.log.logger.info("job started", { name, action, total });
      sendJson(reply, total === 0 ? 200 : 201, job);
    },
  }),
  {
    method: "GET",
    path: "/v1/dead-letter-jobs",
    async handle({ services }, reply) {
      sendJson(reply, 200, { jobs: await services.broker.deadLetters.jobs.list() });
    },
  },
  {
    method: "GET",
    path: "/v1/dead-letter-jobs/{job}",
    query: { waitMs },
    async handle({ services, params, query, signal }, reply) {
      const wait = valueIn(query, { name: "waitMs", shape: waitMs }) ?? 0;
      const { jobs } = services.broker.deadLetters;
      sendJson(reply, 200, await jobs.ended(params["job"]!, { waitMs: wait, signal }));
    },
  },
  {
    method: "DELETE",
    path: "/v1/dead-letter-jobs/{job}",
    async handle(request, reply) {
      const { jobs } = request.services.broker.deadLetters;
      sendJson(reply, 200, await jobs.cancel(request.params["job"]!, actOf(request)));
    },
  },
];
