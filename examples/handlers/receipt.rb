#!/usr/bin/env ruby
# Writes a receipt for an order, and publishes that it did.
require "json"

# It can never work: a dead letter at once.
def refuse(why)
  warn why
  exit 65
end

# It may work later: a retry.
def later(why)
  warn why
  exit 75
end

order = JSON.parse($stdin.read)
total = order["total"] if order.is_a?(Hash)
refuse "the order has no total" unless total.is_a?(Numeric) && total.positive?
receipts, seq = ENV.fetch("RECEIPTS"), ENV.fetch("EVS_SEQ")
later "there is no folder #{receipts} yet" unless Dir.exist?(receipts)
# The seq is the same in each delivery of an event: doing it twice makes one receipt.
file = File.join(receipts, "#{seq}.txt")
begin
  File.write(file, "total #{total}\n")
rescue SystemCallError => e
  later e.message
end
# The id makes it one event, too. What caused it, evs knows.
receipt = JSON.generate({ file: file })
words = ["publish", "receipts", "receipt.written", receipt, "--id", "receipt-#{seq}", "--quiet"]
later "evs publish ended with #{$?&.exitstatus}" unless system("evs", *words)
