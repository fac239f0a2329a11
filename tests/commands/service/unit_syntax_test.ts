/** Words survive a unit file, whatever is in them. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  assignment,
  commandLine,
  description,
  listedPath,
  wholePath,
} from "../../../commands/service/unit_syntax.ts";
import { commandWords, splitWords, UnitFile } from "../../helpers/unit_file.ts";

/** Whatever an argument of a process can be, with what systemd treats specially more often. */
const word = fc.array(
  fc.oneof(
    fc.constantFrom(..." \t\n\r\\\"'%$;{}#=@-+!:|é€😀\x01\x7f\x85\ufeff\ufffe\ufdd0"),
    fc.string({ unit: "binary", minLength: 1, maxLength: 3 }),
    fc.constantFrom("%%", "%h", "$HOME", "${HOME}", "$$", "\\x41", "\\n", "\\\\", "\\;"),
  ),
  { maxLength: 12 },
).map((parts) => parts.join("").replaceAll("\0", "")).filter((text) => text.isWellFormed());

const path = word.map((text) => `/opt/${text.replaceAll("/", "_")}`);

Deno.test("commandLine keeps every word when it holds anything that a process can be given", () => {
  fc.assert(
    fc.property(path, fc.array(word, { maxLength: 6 }), (program, words) => {
      const line = commandLine([program, ...words]);
      assert.match(line, /^[^\p{Cc}]*$/u, "it is one line of text");
      assert.deepEqual(commandWords(line), [program, ...words]);
    }),
    { numRuns: 500 },
  );
});

Deno.test("assignment keeps every value when it holds anything", () => {
  fc.assert(
    fc.property(word, (value) => {
      const unit = new UnitFile(`[Service]\nEnvironment=${assignment("NAME", value)}\n`);
      assert.deepEqual(unit.environment, { NAME: value });
    }),
    { numRuns: 500 },
  );
});

Deno.test("wholePath and listedPath keep every path, or say that systemd cannot write it", () => {
  fc.assert(
    fc.property(path, (text) => {
      const isPlain = !/[\p{Cc}\p{Noncharacter_Code_Point}]/u.test(text);
      if (isPlain) assert.deepEqual(splitWords(listedPath(text)), [text.replaceAll("%", "%%")]);
      else assert.throws(() => listedPath(text), /systemd has no way to write the path/);
      if (isPlain && !/[\s\\]$/.test(text)) {
        assert.equal(
          new UnitFile(`[Service]\nWorkingDirectory=${wholePath(text)}\n`).folder,
          text,
        );
      } else assert.throws(() => wholePath(text), /systemd has no way to write the path/);
    }),
    { numRuns: 500 },
  );
});

Deno.test("description stays on its line when there is anything in it", () => {
  fc.assert(
    fc.property(word, (text) => {
      const { length } = new UnitFile(`[Unit]\nDescription=x${description(text)}\n`)
        .all("Unit.Description");
      assert.equal(length, 1);
    }),
  );
});

Deno.test("commandLine reads as it was typed when nothing in it is special", () => {
  assert.equal(
    commandLine(["/usr/bin/evs", "consume", "orders", "--name", "billing", "--", "./charge.sh"]),
    "/usr/bin/evs consume orders --name billing -- ./charge.sh",
  );
  assert.equal(
    commandLine(["/opt/100 % $HOME/evs", "%s $HOME", 'say "hi"', "a\\b", ";", ""]),
    '"/opt/100 %% $HOME/evs" "%%s $$HOME" "say \\"hi\\"" "a\\\\b" ";" ""',
  );
});

Deno.test("a unit file has signs that systemd reads in its own way as it would have them", () => {
  assert.equal(commandLine(["/a$b", "$c", "50%"]), '"/a$b" "$$c" "50%%"');
  assert.equal(
    commandLine(["/a", 'say "x"', "a\\b", "a\nb", ""]),
    '/a "say \\"x\\"" "a\\\\b" "a\\x0ab" ""',
  );
  assert.equal(assignment("A", "1 %h $b"), '"A=1 %%h $b"');
  assert.equal(description("50% of\na\tb\\ "), "50%% of?a?b");
  assert.equal(wholePath("/a b/50%"), "/a b/50%%");
  assert.equal(listedPath("/a b"), '"/a b"');
  for (const path of ["/a\\", "/a ", "/a\t", "/a\nb", "/a\0"]) {
    assert.throws(() => wholePath(path), { code: "argument/unusable-path" }, path);
  }
  assert.throws(() => listedPath("/a\nb"), { code: "argument/unusable-path" });
});
