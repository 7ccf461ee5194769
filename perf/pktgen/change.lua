-- SPDX-License-Identifier: Apache-2.0
-- Backends change while traffic flows: packets that it costs.
--
--   pktgen -l 0-2 -n 4 -- -P -m "1.0,2.1" -f perf/pktgen/change.lua
--
-- SLUICE_CHANGE: a command that changes the pool and one that changes it back, with ";" between them
-- ("sluicectl backend drain llama gpu-1; sluicectl backend undrain llama gpu-1"). SLUICE_CHANGES: how often (10).
-- SLUICE_RATE: percent of the link (50), one that passes without loss.
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local load = require("load")

local commands = {}
for command in string.gmatch(load.setting("CHANGE",
    "sluicectl backend drain llama gpu-1; sluicectl backend undrain llama gpu-1"), "[^;]+") do
  commands[#commands + 1] = command
end
local rate, changes = load.setting("RATE", 50), load.setting("CHANGES", 10)
local flows = load.flows(load.flow_count)

load.trial(rate) -- flows known
local quiet = load.trial(rate)
quiet.flows, quiet.changes = flows, 0
load.report("unchanged", quiet)

local done = 0
local trial = load.trial(rate, load.seconds, function()
  for i = 1, changes do
    local command = commands[(i - 1) % #commands + 1]
    assert(os.execute(command), "failed: " .. command)
    done = done + 1
  end
end)
trial.flows, trial.changes = flows, done
load.report("changed", trial)
load.report("change", {lost_a_change = math.max(0, trial.lost - quiet.lost) / done})
pktgen.quit()
