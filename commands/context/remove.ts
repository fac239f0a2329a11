/** `evs context remove`. */
import { verb } from "../cli/define.ts";
import { changeContexts } from "./change.ts";
import { placesNamed } from "./contexts.ts";
import { contextArgument } from "./shared.ts";

export const route = verb<NonNullable<unknown>, [context: string]>({
  brief: "Forget a context; its daemon and data stay",
  examples: [["context remove staging", "If it is the current one, none is used then."]],
  needsDaemon: false,
  parameters: { positional: contextArgument },
  run(_flags, name) {
    let wasCurrent = false;
    changeContexts(this.env, (contexts) => {
      placesNamed(contexts, name);
      contexts.places.delete(name);
      wasCurrent = contexts.current === name;
      if (wasCurrent) delete contexts.current;
    });
    if (wasCurrent) this.say(`${name} was the current context; none is used now`);
    if (this.forPeople) this.print(`Removed context ${name}.`);
    else this.printJson({ removed: name });
  },
});
