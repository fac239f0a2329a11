/** What requests ask for, remembered: the same answers as without. */
import assert from "node:assert/strict";
import { InvalidArgumentError, NotFoundError } from "../../../core/base/errors.ts";
import { MethodNotAllowedError, type Route, Router } from "../../../daemon/http/router.ts";
import { whole } from "../../../daemon/http/shape.ts";
import { RequestTargets } from "../../../daemon/http/request_target.ts";

const routes: Route[] = [
  { method: "GET", path: "/v1/topics/{topic}", query: { limit: whole([1, 10]) }, handle() {} },
  { method: "POST", path: "/v1/topics/{topic}", handle() {} },
];
const targets = () => new RequestTargets(new Router(routes));

Deno.test("RequestTargets gives requests for the same one route, path and query", () => {
  const known = targets();
  const first = known.of({ method: "GET", url: "/v1/topics/a%20b?limit=3" });
  assert.equal(first.route, routes[0]);
  assert.deepEqual({ ...first.params }, { topic: "a b" });
  assert.equal(first.query.get("limit"), "3");
  first.checkQuery();
  const second = known.of({ method: "GET", url: "/v1/topics/a%20b?limit=3" });
  assert.equal(second, first);
  second.checkQuery();
});

Deno.test("RequestTargets tells apart methods, paths and queries", () => {
  const known = targets();
  const names = [
    "GET /v1/topics/a",
    "POST /v1/topics/a",
    "GET /v1/topics/b",
    "GET /v1/topics/a?limit=1",
  ];
  const found = names.map((name) => {
    const [method = "", url = ""] = name.split(" ");
    return known.of({ method, url });
  });
  assert.equal(new Set(found).size, names.length);
  assert.equal(found[1]!.route, routes[1]);
});

Deno.test("RequestTargets refuses what is not served as often as it is asked for", () => {
  const known = targets();
  for (let time = 0; time < 2; time++) {
    assert.throws(() => known.of({ method: "GET", url: "/v2" }), NotFoundError);
    assert.throws(() => known.of({ method: "PUT", url: "/v1/topics/a" }), MethodNotAllowedError);
    assert.throws(() => known.of({ method: "GET", url: "*" }), InvalidArgumentError);
  }
});

Deno.test("RequestTarget refuses a wrong query each time", () => {
  const known = targets();
  for (let time = 0; time < 2; time++) {
    const target = known.of({ method: "GET", url: "/v1/topics/a?limit=11" });
    assert.throws(() => target.checkQuery(), InvalidArgumentError);
  }
});

Deno.test("RequestTargets forgets the oldest when there are very many, and keeps no long one", () => {
  const known = targets();
  const of = (url: string) => known.of({ method: "GET", url });
  const first = of("/v1/topics/first");
  for (let n = 0; n < 63; n++) of(`/v1/topics/t${n}`);
  assert.equal(of("/v1/topics/first"), first);
  of("/v1/topics/one-more");
  assert.notEqual(of("/v1/topics/first"), first);
  const long = `/v1/topics/${"x".repeat(600)}`;
  assert.notEqual(of(long), of(long));
});
