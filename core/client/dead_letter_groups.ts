/** The groups of a daemon's dead letters, over its socket. */
import { assertText } from "../base/options.ts";
import { defined } from "../base/defined.ts";
import type {
  DeadLetterGroup,
  DeadLetterGroupBy,
  DeadLetterGroupDetail,
  DeadLetterGroupQuery,
  DeadLetterGroups,
  DismissOptions,
} from "../protocol/dead_letter_groups.ts";
import type { Client } from "./client.ts";
import { decodingErrors } from "./decode_error.ts";
import { segment } from "./endpoint.ts";

const PATH = "/v1/dead-letter-groups";

/** One method per act; errors are those of the classes that the daemon threw. */
export class RemoteDeadLetterGroups implements DeadLetterGroups {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async list(query: DeadLetterGroupQuery = {}): Promise<DeadLetterGroup[]> {
    return await decodingErrors(this.#client.deadLetterGroups({ ...query }));
  }

  async get(id: string): Promise<DeadLetterGroupDetail> {
    return await decodingErrors(this.#client.call({ method: "GET", path: pathOf(id) }));
  }

  note(id: string, text: string, options: DeadLetterGroupBy = {}): Promise<DeadLetterGroupDetail> {
    return this.#act(id, "notes", { ...options, text });
  }

  dismiss(id: string, options: DismissOptions = {}): Promise<DeadLetterGroupDetail> {
    return this.#act(id, "dismiss", options);
  }

  resolve(id: string, options: DeadLetterGroupBy = {}): Promise<DeadLetterGroupDetail> {
    return this.#act(id, "resolve", options);
  }

  reopen(id: string, options: DeadLetterGroupBy = {}): Promise<DeadLetterGroupDetail> {
    return this.#act(id, "reopen", options);
  }

  async #act(id: string, act: string, request: object): Promise<DeadLetterGroupDetail> {
    return await decodingErrors(this.#client.act({
      method: "POST",
      path: `${pathOf(id)}/${act}`,
      body: JSON.stringify(defined(request)),
    }));
  }
}

function pathOf(id: string): string {
  return `${PATH}/${segment(assertText(id, "the id of a group"))}`;
}
