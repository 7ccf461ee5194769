-- SPDX-License-Identifier: Apache-2.0
-- What the scripts beside this share: flows, trials, results. Pktgen-DPDK 23.06 to 26.02.
--
-- From the environment, with defaults:
--   SLUICE_SEND, SLUICE_RECEIVE   ports of Pktgen (0, and the same: a balancer with one arm)
--   SLUICE_MAC                    of the balancer's port (02:00:00:00:00:01)
--   SLUICE_VIP, SLUICE_PORT       of a UDP service (203.0.113.10, 443)
--   SLUICE_FLOWS, SLUICE_SIZE     (1024, 64: bytes on the wire)
--   SLUICE_SECONDS                of a trial (10); confirmed for six times as long
--   SLUICE_TOLERANCE              share of packets that may be lost (0)
--   SLUICE_RESULTS                file that results are added to, one JSON object a line (pktgen.jsonl)
local load = {}

local function setting(name, default)
  local value = os.getenv("SLUICE_" .. name)
  if value == nil or value == "" then return default end
  if type(default) ~= "number" then return value end
  return assert(tonumber(value), "SLUICE_" .. name .. " is no number: " .. value)
end
load.setting = setting

load.send = setting("SEND", "0")
load.receive = setting("RECEIVE", load.send)
load.mac = setting("MAC", "02:00:00:00:00:01")
load.vip = setting("VIP", "203.0.113.10")
load.port = setting("PORT", 443)
load.flow_count = setting("FLOWS", 1024)
load.size = setting("SIZE", 64)
load.seconds = setting("SECONDS", 10)
load.tolerance = setting("TOLERANCE", 0)

local kDrainMs = 500 -- what is under way when a port stops has arrived by then, or is looked for again
local kDrains = 10

--- Cumulative counters of a port since clr(): ipackets, opackets; and by size of frame, _64 and so on.
local function statistics(port)
  local number = tonumber(port)
  if pktgen.pktStats then -- until 23.10
    return pktgen.portStats(port, "port")[number], pktgen.pktStats(port)[number]
  end
  local all = pktgen.portStats(port)[number]
  return all.curr, all.sizes
end

function load.sent(port) return (statistics(port or load.send)).opackets end
function load.received() return (statistics(load.receive)).ipackets end
--- Received frames of 512 to 1023 bytes.
function load.received_large()
  local _, sizes = statistics(load.receive)
  return sizes._512_1023 or (sizes.sizes and sizes.sizes._512_1023) or 0
end

local function address(number)
  return string.format("%d.%d.%d.%d", number >> 24 & 255, number >> 16 & 255, number >> 8 & 255, number & 255)
end

--- Has `port` send `count` flows or a few more, all different before the first comes again: addresses and ports
--- are counted on side by side, so their numbers must have no common factor. Returns how many they are.
function load.flows(count, size, port)
  port = port or load.send
  local ports = 1
  while ports < 32768 and ports * ports < count do ports = ports * 2 end
  local hosts = math.max(1, math.ceil(count / ports))
  if ports > 1 and hosts % 2 == 0 then hosts = hosts + 1 end
  local range, first = pktgen.range, 0x10000001 -- 16.0.0.1
  local function same(set, value)
    for _, what in ipairs({"start", "min", "max"}) do set(port, what, value) end
  end
  same(range.dst_mac, load.mac)
  same(range.dst_ip, load.vip)
  range.dst_ip(port, "inc", "0.0.0.0")
  same(range.dst_port, load.port)
  range.dst_port(port, "inc", 0)
  range.src_ip(port, "start", address(first))
  range.src_ip(port, "min", address(first))
  range.src_ip(port, "max", address(first + hosts - 1))
  range.src_ip(port, "inc", hosts > 1 and "0.0.0.1" or "0.0.0.0")
  range.src_port(port, "start", 1024)
  range.src_port(port, "min", 1024)
  range.src_port(port, "max", 1024 + ports - 1)
  range.src_port(port, "inc", ports > 1 and 1 or 0)
  same(range.pkt_size, size or load.size)
  range.pkt_size(port, "inc", 0)
  range.ip_proto(port, "udp")
  pktgen.set(port, "size", size or load.size)
  pktgen.set(port, "count", 0)
  pktgen.set_range(port, "on")
  return hosts * ports
end

--- Waits until nothing arrives any more.
local function drain()
  local before = load.received()
  for _ = 1, kDrains do
    pktgen.delay(kDrainMs)
    local now = load.received()
    if now == before then return end
    before = now
  end
end

--- Sends at `rate` percent of the link for `seconds`. `during`, if given, is called in the middle.
--- Returns {rate, seconds, sent, received, lost, share (of the sent), packets_per_second (received)}.
function load.trial(rate, seconds, during)
  seconds = seconds or load.seconds
  pktgen.stop(load.send)
  pktgen.set(load.send, "rate", rate)
  pktgen.clr()
  pktgen.start(load.send)
  if during then
    pktgen.delay(math.floor(seconds * 500))
    during()
    pktgen.delay(math.ceil(seconds * 500))
  else
    pktgen.delay(math.floor(seconds * 1000))
  end
  pktgen.stop(load.send)
  drain()
  local sent, received = load.sent(), load.received()
  assert(sent > 0, "nothing was sent: is the link of port " .. load.send .. " up?")
  local lost = math.max(0, sent - received)
  return {rate = rate, seconds = seconds, sent = sent, received = received, lost = lost, share = lost / sent,
          packets_per_second = received / seconds}
end

--- RFC 2544, section 26.1: the highest rate at which no more than the tolerance is lost, by halves from 100 % down to
--- `precision`, then held for six times as long; a rate that does not hold is lowered step by step.
--- Returns the trial that held, or nil when none did.
function load.search(precision)
  precision = precision or 0.5
  local function passes(rate, seconds)
    local trial = load.trial(rate, seconds)
    return trial.share <= load.tolerance and trial
  end
  local good, bad = 0, nil
  local rate = 100
  while true do
    if passes(rate) then good = rate else bad = rate end
    if not bad or bad - good <= precision then break end
    rate = (good + bad) / 2
  end
  while good > 0 do
    local held = passes(good, load.seconds * 6)
    if held then return held end
    good = good - precision
  end
  return nil
end

local function encode(value)
  if type(value) == "number" then
    return math.type(value) == "integer" and tostring(value) or string.format("%.9g", value)
  end
  if type(value) ~= "table" then return type(value) == "string" and string.format("%q", value) or tostring(value) end
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do parts[#parts + 1] = string.format("%q: %s", key, encode(value[key])) end
  return "{" .. table.concat(parts, ", ") .. "}"
end

--- Adds a result to the file and prints it.
function load.report(what, result)
  result.what = what
  local line = encode(result)
  print(line)
  local file = assert(io.open(setting("RESULTS", "pktgen.jsonl"), "a"))
  file:write(line, "\n")
  file:close()
end

return load
