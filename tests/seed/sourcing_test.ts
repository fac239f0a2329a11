/** The promised snippets about event sourcing. */
// deno-lint-ignore-file no-console -- the snippet is as users were shown it
/** The seed document's aggregate and its repository. */
import assert from "node:assert/strict";
import {
  AggregateRoot,
  type Event,
  EventSourcedRepository,
} from "https://deno.land/x/env_event_stream/mod.ts";
import { defaultBroker } from "@env/env-event-stream";
import { printed } from "./helper.ts";

class User extends AggregateRoot<{ username: string; email: string }> {
  constructor(id: string) {
    super(id, { username: "", email: "" });
  }

  createUser(username: string, email: string): void {
    this.recordEvent("user.created", { username, email });
  }

  updateEmail(email: string): void {
    this.recordEvent("user.email.updated", { email });
  }

  protected applyEvent(event: Event): void {
    if (event.type === "user.created") {
      this.state.username = event.payload.username;
      this.state.email = event.payload.email;
    } else if (event.type === "user.email.updated") {
      this.state.email = event.payload.email;
    }
  }
}

Deno.test("Event Sourcing", async () => {
  const userRepository = new EventSourcedRepository<User>((id) => new User(id));
  const lines = await printed(async () => {
    const user = new User("user-123");
    user.createUser("johndoe", "john@example.com");

    await userRepository.save(user);

    const loadedUser = await userRepository.getById("user-123");
    console.log(loadedUser?.getState());
    loadedUser!.updateEmail("doe@example.com");
    await userRepository.save(loadedUser!);
    console.log((await userRepository.getById("user-123"))?.getState());
  });
  assert.deepEqual(lines, [
    [{ username: "johndoe", email: "john@example.com" }],
    [{ username: "johndoe", email: "doe@example.com" }],
  ]);
  const stored = await defaultBroker.getEventStore().getEvents("aggregates");
  assert.deepEqual(stored.map(({ type, key }) => [type, key]), [
    ["user.created", "user-123"],
    ["user.email.updated", "user-123"],
  ]);
});
