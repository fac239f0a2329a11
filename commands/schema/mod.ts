/** `evs schema`: manages the schemas of payloads. */
import { group } from "../cli/define.ts";
import { route as asyncapi } from "./asyncapi.ts";
import { route as check } from "./check.ts";
import { route as diff } from "./diff.ts";
import { route as list } from "./list.ts";
import { route as register } from "./register.ts";
import { route as remove } from "./remove.ts";
import { route as show } from "./show.ts";

export const route = group({
  brief: "Register, list, compare and check schemas",
  description:
    "If a JSON Schema is registered for an event type, payloads of that type are validated before they are stored.",
  routes: { register, list, show, check, diff, remove, asyncapi },
});
