-- SPDX-License-Identifier: Apache-2.0
-- A stand-in for Pktgen-DPDK's Lua: ports on a 10 Gb/s link to a device of known capacity, in simulated time.
--
--   pktgen_standin.lua SCRIPT
--
-- STANDIN_CAPACITY: packets/s that the device passes on (3000000). STANDIN_API: old (23.06) or new. STANDIN_LOG: file
-- for the calls, one a line. STANDIN_LOSS_OF_LONG: packets lost of a trial
-- of a minute or more at a rate above STANDIN_HELD_RATE.
-- STANDIN_LOST_BY_COMMAND: packets lost by each os.execute(). Functions that Pktgen has not are errors.
local capacity = tonumber(os.getenv("STANDIN_CAPACITY") or 3e6)
local old = os.getenv("STANDIN_API") == "old"
local lost_by_command = tonumber(os.getenv("STANDIN_LOST_BY_COMMAND") or 0)
local loss_of_long = tonumber(os.getenv("STANDIN_LOSS_OF_LONG") or 0)
local log = assert(io.open(os.getenv("STANDIN_LOG") or "/dev/null", "a"))
local kBitsPerSecond = 10e9

local ports, time_ms = {}, 0
local sampler, stamped = nil, {}

local function port(list)
  local number = assert(tonumber(list), "a list of one port: " .. tostring(list))
  ports[number] = ports[number] or {rate = 100, size = 64, sent = 0, received = 0, large = 0, running = false, long = 0}
  return ports[number]
end

local function note(name, ...)
  local words = {name}
  for i = 1, select("#", ...) do words[#words + 1] = tostring((select(i, ...))) end
  log:write(table.concat(words, " "), "\n")
  log:flush()
end

local function wanted(p) return p.running and kBitsPerSecond / ((p.size + 20) * 8) * p.rate / 100 or 0 end

-- Time passes: what is sent goes to the device, which shares its capacity among all and loses the rest.
local function pass(ms)
  time_ms = time_ms + ms
  local all = 0
  for _, p in pairs(ports) do all = all + wanted(p) end
  local passed = all > capacity and capacity / all or 1
  local back = port(os.getenv("SLUICE_RECEIVE") or os.getenv("SLUICE_SEND") or "0")
  for _, p in pairs(ports) do
    local sent = wanted(p) * ms / 1000
    p.sent = p.sent + sent
    back.received = back.received + sent * passed
    if p.size >= 512 and p.size < 1024 then back.large = back.large + sent * passed end
    if p.running then p.long = p.long + ms end
  end
  if all > 0 and sampler then
    -- As a queue has it: the nearer to full, the longer.
    for i = 1, 1000 do sampler.found[#sampler.found + 1] = math.floor(1000 / (1 - math.min(0.99, all / capacity)) + i) end
  end
end

local function settled(p)
  return {ipackets = math.floor(p.received + 0.5), opackets = math.floor(p.sent + 0.5)}
end

local range = {}
for _, name in ipairs({"dst_mac", "src_mac", "src_ip", "dst_ip", "src_port", "dst_port", "ttl", "pkt_size"}) do
  range[name] = function(list, what, value)
    port(list)
    assert(({start = 1, min = 1, max = 1, inc = 1})[what], "range knows no " .. tostring(what))
    assert(value ~= nil, "range needs a value")
    note("range." .. name, list, what, value)
  end
end
range.ip_proto = function(list, what)
  port(list)
  note("range.ip_proto", list, what)
end

local known = {range = range}
function known.set(list, what, value)
  note("set", list, what, value)
  assert(({count = 1, size = 1, rate = 1, sport = 1, dport = 1, seq_cnt = 1, burst = 1})[what], "set knows no " .. what)
  assert(type(value) == "number", "set takes a number")
  if what == "rate" then
    assert(value > 0 and value <= 100, "a rate is a share of the link: " .. value)
  end
  if what == "rate" or what == "size" then port(list)[what] = value end
end
function known.start(list)
  note("start", list)
  port(list).running = true
end
function known.stop(list)
  note("stop", list)
  local p = port(list)
  if p.running and p.long >= 60000 and loss_of_long > 0 then
    if p.rate > tonumber(os.getenv("STANDIN_HELD_RATE") or 0) then port(0).received = port(0).received - loss_of_long end
  end
  p.running, p.long = false, 0
end
function known.clr()
  for _, p in pairs(ports) do p.sent, p.received, p.large, p.long = 0, 0, 0, 0 end
end
function known.delay(ms)
  assert(math.type(ms) == "integer" and ms >= 0, "delay takes whole milliseconds")
  pass(ms)
end
function known.portStats(list, what)
  if old then
    assert(what == "port", "portStats takes two arguments until 23.10")
    return {[tonumber(list)] = settled(port(list)), n = 1}
  end
  assert(what == nil, "portStats takes one argument")
  return {[tonumber(list)] = {curr = settled(port(list)), sizes = {_512_1023 = math.floor(port(list).large)}}, n = 1}
end
if old then
  function known.pktStats(list) return {[tonumber(list)] = {_512_1023 = math.floor(port(list).large)}, n = 1} end
else
  function known.set_tcp_flags(list, flags) note("set_tcp_flags", list, flags) end
end
function known.latency(list, what, value) note("latency", list, what, value) end
function known.latsampler_params(list, kind, count, rate, file)
  assert(kind == "simple" or kind == "poisson", "a sampler is simple or poisson")
  assert(count > 0 and rate > 0)
  stamped = {file = file, found = {}}
end
function known.latsampler(_, what)
  if what == "on" then sampler = stamped else
    local file = assert(io.open(sampler.file, "w"))
    file:write("Latency\n", table.concat(sampler.found, "\n"), "\n")
    file:close()
    sampler = nil
  end
end
function known.seq(number, list, ...)
  assert(select("#", ...) == 11 or select("#", ...) == 10, "seq takes 12 or 13 arguments")
  assert(number >= 0 and number < 16, "a sequence has 16 places")
  note("seq", number, list, ...)
end
for _, name in ipairs({"set_mac", "set_ipaddr", "set_proto", "set_range", "rnd", "quit"}) do
  known[name] = function(...) note(name, ...) end
end

pktgen = setmetatable({}, {
  __index = function(_, name)
    local found = known[name]
    if found == nil and name ~= "pktStats" and name ~= "set_tcp_flags" then error("Pktgen has no " .. name, 2) end
    return found
  end
})

os.execute = function(command)
  note("execute", command)
  port(0).received = port(0).received - lost_by_command
  return not command:find("fail", 1, true)
end

dofile(arg[1])
