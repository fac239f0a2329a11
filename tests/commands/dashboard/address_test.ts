/** The dashboard takes addresses on loopback, and refuses all others in words. */
import assert from "node:assert/strict";
import { inUrl, listenAddress, ownNames } from "../../../commands/dashboard/address.ts";
import { EvsError } from "../../../core/base/errors.ts";

Deno.test("listenAddress takes loopback addresses, with or without a name", () => {
  const cases: [string, string, string][] = [
    ["127.0.0.1:7387", "127.0.0.1", "127.0.0.1:7387"],
    ["127.3.2.1:0", "127.3.2.1", "127.3.2.1:0"],
    ["localhost:80", "127.0.0.1", "127.0.0.1:80"],
    ["[::1]:65535", "::1", "[::1]:65535"],
    ["8080", "127.0.0.1", "127.0.0.1:8080"],
  ];
  for (const [text, hostname, url] of cases) {
    const address = listenAddress(text);
    assert.equal(address.hostname, hostname, text);
    assert.equal(inUrl(address), url, text);
  }
  assert.deepEqual([...ownNames(listenAddress("[::1]:1"))], ["[::1]", "localhost"]);
  assert.deepEqual([...ownNames(listenAddress("1"))], ["127.0.0.1", "localhost"]);
});

Deno.test("listenAddress refuses whatever others could reach, and what is no address", () => {
  const codeOf = (text: string) => {
    try {
      listenAddress(text);
      return "taken";
    } catch (error) {
      assert.ok(error instanceof EvsError, String(error));
      assert.ok(error.hint!.includes("127.0.0.1"), text);
      return error.code;
    }
  };
  for (
    const text of [
      "0.0.0.0:7387",
      "[::]:7387",
      "192.168.1.5:80",
      "10.0.0.1:80",
      "127.1:80",
      "127.0.0.1.evil.test:80",
      "127.0.0.256:80",
      "0127.0.0.1:80",
      "example.com:80",
      "[::ffff:127.0.0.1]:80",
      "[]:80",
      ":80",
      "LOCALHOST:80",
    ]
  ) {
    assert.equal(codeOf(text), "dashboard/not-loopback", text);
  }
  for (
    const text of ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "127.0.0.1:8x", "-1"]
  ) {
    assert.equal(codeOf(text), "argument/invalid", text);
  }
});
