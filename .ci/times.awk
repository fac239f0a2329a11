# The minutes of each test file, slowest first, from what `deno test` prints: the times of its tests, summed by file.
/^running [0-9]+ tests? from / { file = $NF; next }
file != "" && match($0, /\.\.\. (ok|FAILED|ignored) \([0-9.]+(µs|ms|s|m)([0-9]+s)?\)$/) {
  took = substr($0, RSTART, RLENGTH)
  sub(/^.*\(/, "", took)
  sub(/\)$/, "", took)
  # Steps are part of the test around them.
  if ($0 !~ /^ /) seconds[file] += in_seconds(took)
}
function in_seconds(text,  parts) {
  if (text ~ /µs$/) return text / 1000000
  if (text ~ /ms$/) return text / 1000
  if (text ~ /m/) {
    split(text, parts, "m")
    return parts[1] * 60 + parts[2]
  }
  return text + 0
}
END { for (file in seconds) printf "%6.2f min  %s\n", seconds[file] / 60, file }
