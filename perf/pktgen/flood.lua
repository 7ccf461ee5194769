-- SPDX-License-Identifier: Apache-2.0
-- What a SYN flood of ever new sources does to good traffic beside it: lost packets of the good, with and without.
--
--   pktgen -l 0-3 -n 4 -- -P -m "1.0,2.1,3.2" -f perf/pktgen/flood.lua
--
-- SLUICE_FLOOD: Pktgen's port that floods (2), a TCP service with the same address and port as the UDP one.
-- SLUICE_GOOD, SLUICE_FLOOD_RATE: percent of the link (20, 50). Good frames have 512 bytes, the flood's 64: so they are
-- told apart when they come back. Needs pktgen.set_tcp_flags (newer than 23.06).
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local load = require("load")

local flood = load.setting("FLOOD", "2")
local good_rate, flood_rate = load.setting("GOOD", 20), load.setting("FLOOD_RATE", 50)
assert(pktgen.set_tcp_flags, "this Pktgen has no set_tcp_flags; take 25.05 or newer")

local kSourceAddress = 26 -- bytes into the frame

pktgen.set_mac(flood, "dst", load.mac)
pktgen.set_ipaddr(flood, "src", "16.128.0.1/4")
pktgen.set_ipaddr(flood, "dst", load.vip)
pktgen.set_proto(flood, "tcp")
pktgen.set(flood, "dport", load.port)
pktgen.set(flood, "size", 64)
pktgen.set(flood, "count", 0)
pktgen.set_tcp_flags(flood, "syn")
pktgen.rnd(flood, 0, kSourceAddress, "0001XXXXXXXXXXXXXXXXXXXXXXXXXXXX") -- 16/4: no martian among them

local flows = load.flows(load.flow_count, 512)

local function good(beside)
  if beside then
    pktgen.set(flood, "rate", flood_rate)
    pktgen.start(flood)
  end
  load.trial(good_rate) -- known to the flow cache, and the flood under way, before it counts
  local trial = load.trial(good_rate)
  trial.received = load.received_large()
  local flooded = beside and load.sent(flood) or 0
  if beside then pktgen.stop(flood) end
  trial.lost = math.max(0, trial.sent - trial.received)
  trial.share, trial.packets_per_second = trial.lost / trial.sent, trial.received / trial.seconds
  trial.flows, trial.flood_packets_per_second = flows, flooded / trial.seconds
  load.report(beside and "beside_flood" or "alone", trial)
  return trial
end

local alone, beside = good(false), good(true)
load.report("flood", {received_of_alone = beside.received / alone.received, lost_more = beside.share - alone.share})
pktgen.quit()
