/** Damage that was found, and its acknowledgement by the operator. */
import { type Route, sendJson } from "../http/router.ts";

/** `evs doctor --accept`. */
export const damageRoutes: Route[] = [
  {
    method: "POST",
    path: "/v1/damage/accept",
    async handle({ services }, reply) {
      sendJson(reply, 200, { accepted: await services.acceptDamage() });
    },
  },
];
