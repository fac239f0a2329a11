/** Which route a request gets, and how much of a body one takes. */
import assert from "node:assert/strict";
import {
  asEvsError,
  isLogged,
  readBody,
  readJson,
  type Route,
  Router,
  type RouteRequest,
} from "../../../daemon/http/router.ts";
import { InvalidArgumentError } from "../../../core/base/errors.ts";
import { RequestBody } from "../../../daemon/http/request.ts";

function route(method: Route["method"], path: string): Route {
  return { method, path, handle() {} };
}

const router = new Router([
  route("GET", "/v1/topics/{topic}"),
  route("PUT", "/v1/topics/{topic}"),
  route("GET", "/v1/topics/special"),
  route("GET", "/v1/topics/{topic}/events/{event}"),
  route("DELETE", "/v1/things"),
]);

Deno.test("Router.find matches whole paths by their segments, decoded one by one", () => {
  const find = (method: string, path: string) => {
    const { route, params } = router.find(method, path);
    return [route.path, params];
  };
  assert.deepEqual(find("GET", "/v1/topics/a"), ["/v1/topics/{topic}", { topic: "a" }]);
  assert.deepEqual(find("HEAD", "/v1/topics/a"), ["/v1/topics/{topic}", { topic: "a" }]);
  assert.deepEqual(find("GET", "/v1/topics/special"), ["/v1/topics/special", {}]);
  // A slash that is escaped is one of a name, and dots are a name like any other.
  assert.deepEqual(find("GET", "/v1/topics/a%2Fb"), ["/v1/topics/{topic}", { topic: "a/b" }]);
  assert.deepEqual(find("GET", "/v1/topics/.."), ["/v1/topics/{topic}", { topic: ".." }]);
  assert.deepEqual(find("GET", "/v1/topics/a/events/%C3%BC"), [
    "/v1/topics/{topic}/events/{event}",
    { topic: "a", event: "ü" },
  ]);
});

Deno.test("Router.find says what is not there, what has another method, and what is no path", () => {
  for (
    const path of [
      "/v1/topics/",
      "/v1/topics",
      "/v1/topics/a/",
      "/v1/topics/a/events",
      "/v1//topics/a",
      "/V1/topics/a",
      "/v1/topics/a/events/",
      "/",
    ]
  ) {
    assert.throws(() => router.find("GET", path), { status: 404 }, path);
  }
  assert.throws(() => router.find("POST", "/v1/topics/a"), {
    status: 405,
    allowed: ["GET", "PUT"],
  });
  // The most exact path decides: what another one would take is not offered.
  assert.throws(() => router.find("PUT", "/v1/topics/special"), { status: 405, allowed: ["GET"] });
  assert.throws(() => router.find("HEAD", "/v1/things"), { status: 405 });
  assert.throws(() => router.find("GET", "/v1/topics/%ff"), { code: "argument/invalid" });
});

/** A request with a body that has come in these pieces. */
function requestWith(...pieces: (string | Uint8Array<ArrayBuffer>)[]): RouteRequest {
  const body = new RequestBody({ wanted() {}, taken() {} });
  for (const piece of pieces) {
    body.add(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
  }
  body.complete();
  return { raw: { body } } as unknown as RouteRequest;
}

Deno.test("asEvsError tells a read that the machine refused, and what nobody expected as a bug", () => {
  const refused = Object.assign(new Error("disk I/O error"), { errcode: 266 });
  assert.equal(asEvsError(refused).code, "datadir/unreadable");
  assert.equal(isLogged(asEvsError(refused)), true, "somebody has to look at the disk");
  assert.equal(asEvsError(new Error("disk I/O error")).code, "datadir/unreadable");
  assert.equal(asEvsError(new Error("x is not a function")).code, "internal/bug");
  const known = new InvalidArgumentError("no");
  assert.equal(asEvsError(known), known);
  assert.equal(isLogged(known), false);
});

Deno.test("readBody takes a body of exactly the limit, and none that is longer, whole or in pieces", async () => {
  for (const pieces of [["12345"], ["123", "45"], ["1", "2", "3", "4", "5"]]) {
    const bytes = await readBody(requestWith(...pieces), { limit: 5 });
    assert.equal(new TextDecoder().decode(bytes), "12345");
    await assert.rejects(readBody(requestWith(...pieces), { limit: 4 }), {
      code: "argument/too-large",
    });
  }
});

Deno.test("readJson takes one JSON object, and says what else it got", async () => {
  assert.deepEqual(await readJson(requestWith('{"a":', "1}")), { a: 1 });
  assert.deepEqual(await readJson(requestWith(" \n")), {});
  assert.deepEqual(await readJson(requestWith()), {});
  for (
    const [request, says] of [
      [requestWith("[1]"), /not a JSON object/],
      [requestWith("null"), /not a JSON object/],
      [requestWith('"a"'), /not a JSON object/],
      [requestWith('{"a":1}x'), /not JSON at line 1, column 8/],
      [requestWith("{"), /not JSON/],
      [requestWith(Uint8Array.of(0x7b, 0xff, 0x7d)), /not UTF-8/],
    ] as const
  ) {
    await assert.rejects(readJson(request), says);
  }
  await assert.rejects(readJson(requestWith(" "), { required: true }), /the body is missing/);
  await assert.rejects(readJson(requestWith("{      }"), { limit: 7 }), {
    code: "argument/too-large",
  });
});
