/** What stands in roff is what was written: nothing becomes a request, an escape or a dash. */
import assert from "node:assert/strict";
import { parseMarkdown } from "../../../commands/manual/markdown.ts";
import {
  manBlocks,
  manCode,
  manProse,
  manSyntax,
  roffText,
} from "../../../commands/manual/roff.ts";

Deno.test("roffText escapes what roff would read as its own", () => {
  assert.equal(roffText("a-b --c"), "a\\-b \\-\\-c");
  assert.equal(roffText(".PP\n'br\n.."), "\\&.PP\n\\(aqbr\n\\&..");
  assert.equal(roffText('C:\\new "x" `y` ^~'), "C:\\(rsnew \\(dqx\\(dq \\(gay\\(ga \\(ha\\(ti");
  assert.equal(roffText("…é"), "\\&...\\[u00E9]");
});

Deno.test("manCode keeps each line as it is, also one that begins with a dot", () => {
  assert.deepEqual(manCode("./run\n\n  x"), [
    ".PP",
    ".RS 4",
    ".EX",
    "\\&./run",
    "",
    "  x",
    ".EE",
    ".RE",
  ]);
});

Deno.test("manSyntax sets what is literal in bold and what stands for something in italic", () => {
  assert.equal(
    manSyntax("evs get TOPIC [--raw]"),
    "\\fBevs\\fR \\fBget\\fR \\fITOPIC\\fR [\\fB\\-\\-raw\\fR]",
  );
});

Deno.test("manSyntax keeps a bracket on one line, also one with another in it", () => {
  assert.equal(
    manSyntax("evs x [--a [--b C]] D"),
    "\\fBevs\\fR \\fBx\\fR [\\fB\\-\\-a\\fR\\ [\\fB\\-\\-b\\fR\\ \\fIC\\fR]] \\fID\\fR",
  );
});

Deno.test("manProse sets in bold what has backticks", () => {
  assert.equal(manProse("`evs x` is -1"), "\\fBevs x\\fR is \\-1");
});

Deno.test("manBlocks writes headings, lists, tables and code of Markdown", () => {
  const page = `## One

Text with \`code\` and a [link](https://example.com).

- first
  - second

| key | type | meaning |
| --- | ---- | ------- |
| \`a\` | x\\|y  | what it is |

\`\`\`sh
.x
\`\`\`
`;
  assert.deepEqual(manBlocks(parseMarkdown(page)), [
    '.SH "ONE"',
    ".PP",
    "Text with \\fBcode\\fR and a link (https://example.com).",
    '.IP "\\(bu" 3',
    "first",
    ".RS 3",
    '.IP "\\(bu" 3',
    "second",
    ".RE",
    ".TP",
    "\\fBa\\fR",
    "what it is",
    ".br",
    "type: x|y",
    ".PP",
    ".RS 4",
    ".EX",
    "\\&.x",
    ".EE",
    ".RE",
  ]);
});
