-- Takes a process's report on a limit, and returns its share. `FleetState` of the crate reqwest-safe-retry takes the
-- same steps with the same names, and says why.
--
-- KEYS[1]: a hash, of `state` and a field for each process. Its values are packed numbers.
-- ARGV: the process, rate, accepted, refused, unavailable, last_accepted, last_refused, waiting, pause, round_trip.
-- Times are milliseconds; in reports -1 stands for none, in the state 0.
local now = (function(time) return time[1] * 1000 + time[2] / 1000 end)(redis.call('TIME'))

local OPENS_WITH, DOUBLES_IN, FREE = 320, 180, 20000
local MEMBER_FOR, SILENCE, FEW_MEMBERS, MOST_MEMBERS, LEAST_SHARE = 2000, 500, 1000, 10000, 0.1
local SHORTEST_CYCLE, SHORT_REFUSALS, BEST_SECOND_OF, MARGIN, LEAST_KEPT, STRAYS = 600, 1500, 50, 0.98, 0.8, 0.03
local GROWTH, GROWS_EVERY, GUESS_AFTER, CLOSES_AFTER = 0.02, 500, 2000, 16
local SHORTEST_PROBE, LONGEST_PROBE = 20, 5000
local LEVELS_EVERY, WAITING_STARTS_IN, NEEDLESS_AFTER, GATHERING = 50, 250, 10000, 800
local NEXT_REPORT, NEXT_REPORT_SOON = 200, 100
local NO, REFUSED, UNAVAILABLE = 0, 1, 2

-- Another layout has another version.
local VERSION = 1
-- No number in a state is larger.
local MOST = 1e15
local SCALARS = {
    'version', 'reported', 'began', 'open', 'rate', 'measured', 'cycle_began', 'accepted', 'refused', 'best',
    'last_accepted', 'last_refused', 'refusing_since', 'refusals', 'closed', 'growth', 'grows_at', 'overloaded', 'probes_at',
    'paused_until', 'needed', 'gathers_until', 'gathered', 'levels_at', 'level', 'equal', 'spare', 'divisions',
}
-- What was accepted in each tenth of the last second: when, and how many.
local TENTHS = 20
local MEMBER = '<dddd'
local STATE = '<' .. string.rep('d', #SCALARS + TENTHS)

local key, process = KEYS[1], ARGV[1]
local report = {}
for index, name in ipairs({ 'rate', 'accepted', 'refused', 'unavailable', 'last_accepted', 'last_refused', 'waiting',
    'pause', 'round_trip' }) do
    report[name] = tonumber(ARGV[index + 1])
end

-- The numbers of a packed value; nil if it is not one of ours. NaN compares with nothing.
local function unpacked(format, value)
    if not value or #value ~= 8 * (#format - 1) then return nil end
    local numbers = { struct.unpack(format, value) }
    for index = 1, #format - 1 do
        local number = numbers[index]
        if not (number >= 0 and number <= MOST) then return nil end
    end
    return numbers
end

local function to_member(value)
    local numbers = unpacked(MEMBER, value)
    return numbers and {
        wanted = numbers[1], wanted_then = numbers[2], divisions = numbers[3], leaves_at = numbers[4],
    }
end

local state, tenths = {}, {}

-- Whether there is a state. Whatever else is under the key stays as it is.
local function read(value)
    local numbers = unpacked(STATE, value)
    if not numbers or numbers[1] ~= VERSION then return false end
    for index, name in ipairs(SCALARS) do state[name] = numbers[index] end
    for index = 1, TENTHS do tenths[index] = numbers[#SCALARS + index] end
    return math.max(state.began, state.cycle_began, state.needed, state.levels_at) <= state.reported
end

local function clear()
    for _, name in ipairs(SCALARS) do state[name] = 0 end
    for index = 1, TENTHS do tenths[index] = 0 end
    state.version = VERSION
end

local found = redis.pcall('HMGET', key, 'state', process)
if found.err then return found end
local length = redis.call('HLEN', key)
local has_state = read(found[1])
if length > MOST_MEMBERS + 1 or length > 0 and not has_state then
    return redis.error_reply('NOTALIMIT the key does not hold a limit')
end
if has_state and state.reported > now + SILENCE then
    -- The clock went back, as that of another server does: a new state is built from what the processes hold.
    redis.call('DEL', key)
    has_state, length, found = false, 0, {}
end
if not has_state then clear() end
now = math.max(now, state.reported)

local own = to_member(found[2])
local has_joined = false

-- All members by their processes. One that cannot be read has left.
local function members()
    local all, fields = {}, length > 0 and redis.call('HGETALL', key) or {}
    for index = 1, #fields, 2 do
        if fields[index] ~= 'state' and fields[index] ~= process then
            all[fields[index]] = to_member(fields[index + 1]) or { wanted = 0, leaves_at = 0 }
        end
    end
    if own then all[process] = own end
    return all
end

local function lately()
    local tenth, sum = math.floor(now / 100), 0
    for index = 1, TENTHS, 2 do
        if tenths[index] + 10 > tenth then sum = sum + tenths[index + 1] end
    end
    return sum
end

-- Whether so few refusals may have come at random.
local function are_strays()
    local expected = STRAYS * math.min(lately(), state.accepted)
    return state.refused <= 1 + expected + 2.5 * math.sqrt(expected)
end

local function begin_cycle()
    state.cycle_began, state.accepted, state.refused, state.best = now, 0, 0, 0
    for index = 1, TENTHS do tenths[index] = 0 end
end

local function accept(accepted)
    state.accepted = state.accepted + accepted
    local tenth = math.floor(now / 100)
    local place = 2 * (tenth % 10) + 1
    if tenths[place] == tenth then
        tenths[place + 1] = tenths[place + 1] + accepted
    else
        tenths[place], tenths[place + 1] = tenth, accepted
    end
    if now >= state.cycle_began + SHORTEST_CYCLE then state.best = math.max(state.best, lately()) end
end

local function join()
    local is_new = state.reported == 0
    if is_new then
        state.began, state.levels_at = now, now
        state.open, state.needed = OPENS_WITH, now
        state.gathers_until = report.rate > 0 and now + GATHERING or now
    end
    if is_new or now > state.reported + SILENCE then
        state.closed = NO
        begin_cycle()
    end
    state.reported = now
    local wanted = report.waiting * 1000 / WAITING_STARTS_IN
    if wanted > 0 or report.refused > 0 then state.needed = now end
    if own or length - 1 < MOST_MEMBERS then
        has_joined = not own
        own = own or { wanted = 0, wanted_then = 0, divisions = state.divisions }
        -- Instead of every member's at every division.
        if own.divisions ~= state.divisions then own.wanted_then = own.wanted end
        own.wanted, own.leaves_at, own.divisions = wanted, now + MEMBER_FOR, state.divisions
    end
    if now < state.gathers_until then
        state.gathered = state.gathered + (has_joined and report.rate or 0)
        state.rate, state.measured = state.gathered, 1
    end
end

local function count()
    accept(report.accepted)
    state.refused = state.refused + report.refused
    if report.last_accepted >= 0 and report.accepted > 0 then
        state.last_accepted = math.max(state.last_accepted, now - report.last_accepted)
    end
    if report.last_refused >= 0 then
        state.last_refused = math.max(state.last_refused, now - report.last_refused)
    end
    if report.pause >= 0 then state.paused_until = math.max(state.paused_until, now + report.pause) end
    if report.refused > 0 and not are_strays() then
        state.growth, state.grows_at, state.overloaded = GROWTH, now + GROWS_EVERY, now
    end
    if report.refused > 0 and state.rate == 0 then
        state.rate = math.min(state.open, math.max(lately(), OPENS_WITH))
    end
end

local function measure(refusing_since)
    if are_strays() then
        begin_cycle()
        return
    end
    local is_short = state.last_refused - refusing_since < SHORT_REFUSALS
    local best = is_short and state.best >= BEST_SECOND_OF and state.best or 0
    local accepted = state.accepted * 1000 / (now - state.cycle_began)
    local least = state.measured == 1 and LEAST_KEPT * state.rate or 1
    state.rate, state.measured = math.max(MARGIN * math.max(accepted, best), least), 1
    begin_cycle()
end

local function flows()
    state.refusals = 0
    local since = state.refusing_since
    state.refusing_since = 0
    if since == 0 then return end
    if state.closed ~= NO or not are_strays() then state.grows_at = now + GROWS_EVERY end
    if state.closed == UNAVAILABLE then
        state.open = OPENS_WITH
        begin_cycle()
    elseif state.refused > 0 and now >= state.cycle_began + SHORTEST_CYCLE then
        measure(since)
    end
    state.closed = NO
end

local function refuses()
    if state.refusing_since == 0 then state.refusing_since = now end
    state.refusals = state.refusals + report.refused + report.unavailable
    local silent_for = state.last_refused - math.max(state.last_accepted, state.began)
    local is_down = report.unavailable > 0
    local all_refused = silent_for > math.max(2 * report.round_trip, 50)
    if state.closed == NO and state.refusals >= CLOSES_AFTER and (is_down or all_refused) then
        state.closed = is_down and UNAVAILABLE or REFUSED
        state.probes_at = now + SHORTEST_PROBE
    end
end

local function grow()
    local is_measured = state.measured == 1
    state.rate = state.rate * (1 + (is_measured and state.growth or 0.5))
    state.growth = math.min(2 * state.growth, 1)
    state.grows_at = now + (is_measured and GROWS_EVERY or GROWS_EVERY / 2)
end

local function set_levels(rate, wanted)
    local left, count = rate, #wanted
    state.levels_at, state.equal = now, rate / math.max(count, 1)
    for _, one in ipairs(wanted) do
        if one * count >= left then
            state.level, state.spare = left / count, 0
            return
        end
        left, count = left - one, count - 1
    end
    state.level, state.spare = MOST, left / math.max(#wanted, 1)
end

local function divide()
    local wanted, waiting = {}, 0
    for name, member in pairs(members()) do
        if member.leaves_at > now then
            wanted[#wanted + 1] = member.wanted
        else
            redis.call('HDEL', key, name)
        end
    end
    state.divisions = state.divisions + 1
    if own then own.wanted_then, own.divisions = own.wanted, state.divisions end
    local passed = math.min(math.max(now - state.levels_at, 0), 2 * LEVELS_EVERY)
    table.sort(wanted)
    for _, one in ipairs(wanted) do waiting = waiting + one end
    waiting = waiting * WAITING_STARTS_IN / 1000
    if state.rate > 0 and now > state.needed + NEEDLESS_AFTER and now > state.last_refused + NEEDLESS_AFTER then
        state.open = math.max(state.rate, OPENS_WITH)
        state.rate, state.measured = 0, 0
    end
    if state.rate == 0 and waiting > 0 then
        state.open = math.min(state.open * 2 ^ (passed / DOUBLES_IN), 2 * FREE)
    end
    local may_be_too_low = waiting >= state.rate or waiting > 1 and now > state.overloaded + GUESS_AFTER
    if state.rate > 0 and state.closed == NO and may_be_too_low and now >= state.grows_at then grow() end
    set_levels(state.rate > 0 and state.rate or state.open, wanted)
end

local function share()
    local wanted, wanted_then = own and own.wanted or 0, own and own.wanted_then or 0
    local granted = math.min(wanted, state.level, math.max(wanted_then, state.equal))
    local is_closed = state.closed ~= NO
    local is_free = state.rate == 0 and state.open >= FREE
    local growing = state.rate == 0 and not is_free
    local rate = now < state.gathers_until and report.rate
        or math.max(granted + state.spare, LEAST_SHARE * state.equal)
    local is_due = now >= math.max(state.probes_at, state.paused_until)
    local probe = is_closed and report.waiting > 0 and is_due
    if probe then
        local refusing_for = state.refusing_since == 0 and 0 or now - state.refusing_since
        local wait = math.min(math.max(refusing_for / 16, SHORTEST_PROBE), LONGEST_PROBE)
        state.probes_at = now + math.max(wait, report.round_trip)
    end
    local is_soon = is_closed or granted < math.min(wanted, state.level) or growing
    -- A number in an answer loses its fraction.
    return {
        not is_free and string.format('%.17g', rate),
        growing and 1 or 0,
        is_closed and 1 or 0,
        probe and 1 or 0,
        is_closed and state.paused_until > now and string.format('%.17g', state.paused_until - now),
        is_soon and NEXT_REPORT_SOON or NEXT_REPORT,
    }
end

local function write()
    local numbers = {}
    for index, name in ipairs(SCALARS) do numbers[index] = state[name] end
    for index = 1, TENTHS do numbers[#SCALARS + index] = tenths[index] end
    redis.call('HSET', key, 'state', struct.pack(STATE, unpack(numbers)))
    if own then
        redis.call('HSET', key, process,
            struct.pack(MEMBER, own.wanted, own.wanted_then, own.divisions, own.leaves_at))
    end
    -- Ten minutes: a limit that nobody uses is forgotten.
    redis.call('PEXPIRE', key, 600000)
end

join()
count()
if report.accepted > 0 and state.last_accepted >= state.last_refused then
    flows()
elseif report.refused + report.unavailable > 0 then
    refuses()
end
-- With the one that has joined there are `length` processes.
if has_joined and length <= FEW_MEMBERS or now >= state.levels_at + LEVELS_EVERY then divide() end
local answer = share()
write()
return answer
