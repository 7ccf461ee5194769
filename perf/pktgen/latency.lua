-- SPDX-License-Identifier: Apache-2.0
-- Percentiles of latency at 10, 50 and 90 % of the highest load that passes without loss.
--
--   pktgen -l 0-2 -n 4 -- -P -m "1.0,2.1" -f perf/pktgen/latency.lua
--
-- Pktgen reads its time stamp where it has written it: the service must forward by l2dsr or nat, since a tunnel's
-- header stands before it. SLUICE_RATE: percent of the link that is 100 % here; empty: searched for first.
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local load = require("load")

local kSamples, kSamplesPerSecond = 100000, 10000

local function samples(file)
  local found = {}
  for line in io.lines(file) do
    local value = tonumber(line) -- the first line is a heading
    if value then found[#found + 1] = value end
  end
  table.sort(found)
  return found
end

--- The value that `share` of all are not above.
local function percentile(sorted, share) return sorted[math.max(1, math.ceil(share * #sorted))] end

local flows = load.flows(load.flow_count)
local full = tonumber(load.setting("RATE", ""))
if not full then
  local held = assert(load.search(), "no rate passes without loss")
  full = held.rate
end
for _, share in ipairs({10, 50, 90}) do
  local file = os.tmpname()
  pktgen.latency(load.send, "rate", 1000) -- a stamped packet each millisecond at least
  pktgen.latency(load.send, "enable")
  pktgen.latsampler_params(load.receive, "poisson", kSamples, kSamplesPerSecond, file)
  pktgen.latsampler(load.receive, "on")
  local trial = load.trial(full * share / 100)
  pktgen.latsampler(load.receive, "off") -- writes the file
  pktgen.latency(load.send, "disable")
  local found = samples(file)
  os.remove(file)
  assert(#found > 0, "no stamped packet came back; does the service forward by l2dsr or nat?")
  trial.load, trial.flows, trial.samples = share, flows, #found
  trial.p50_ns, trial.p90_ns = percentile(found, 0.5), percentile(found, 0.9)
  trial.p99_ns, trial.p999_ns, trial.worst_ns = percentile(found, 0.99), percentile(found, 0.999), found[#found]
  load.report("latency", trial)
end
pktgen.quit()
