import { createHash } from 'node:crypto';

/** A script that Redis knows by its hash once it has seen it. */
export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

/** The version of the layout described below. A program refuses a higher one than its own. */
export const schemaVersion = 1;

/**
 * What all scripts begin with. `KEYS` are the namespace's six structures, all in one hash slot and all declared, so that
 * a cluster that moves the slot answers TRYAGAIN instead of showing a script half of them:
 *
 * 1. records, a hash: key -> expiry (16 characters), version, a space, the value's text
 * 2. index, a sorted set of all keys with score 0: byte order, which is that of code points
 * 3. expiry, a sorted set of the keys that expire, by when
 * 4. locks, a hash: key -> until when (13 digits), a space, whose; and LF + whose -> until when, LF, the keys waited for
 * 5. queue, a sorted set of who waits for locks, by turn
 * 6. schema, the version of this layout
 *
 * `ARGV[1]` is that version, `ARGV[2]` the time where a test tells it. Locks go by the server's own clock always.
 *
 * Every script looks at all it needs before its first write, since Redis does not take back what a script wrote before
 * it failed. The first write is one that Redis refuses as a whole when it may not write (READONLY, MISCONF, OOM).
 */
const prelude = `
local records, index, expiry, locks, queue, schema = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local call, sub = redis.call, string.sub
local time = call('TIME')
local server = time[1] * 1000 + math.floor(time[2] / 1000)
local now = ARGV[2] == '' and server or tonumber(ARGV[2])
local written = call('GET', schema)
if written and written ~= ARGV[1] then return redis.error_reply('AMBITSCHEMA ' .. written) end
local NEVER = '----------------'
-- Lua takes no more than some 8,000 arguments at once.
local CHUNK = 4000
local function fetch(hash, list, first, last)
  if last < first then return {} end
  if last - first < CHUNK then return call('HMGET', hash, unpack(list, first, last)) end
  local all = {}
  for from = first, last, CHUNK do
    local to = math.min(from + CHUNK - 1, last)
    local part = call('HMGET', hash, unpack(list, from, to))
    for i = 1, to - from + 1 do all[#all + 1] = part[i] end
  end
  return all
end
local function each(command, name, list)
  for from = 1, #list, CHUNK do
    call(command, name, unpack(list, from, math.min(from + CHUNK - 1, #list)))
  end
end
local function held(entry, token)
  return entry and sub(entry, 15) ~= token and tonumber(sub(entry, 1, 13)) > server
end
-- A write that changes nothing: only a server that may write lets it pass, so nothing is answered from a replica.
local function assertWritable() call('HDEL', locks, '') end
-- What follows is neither flushed nor replicated: a lock is not worth a flush, and need not outlive the server.
local function forgettable() redis.set_repl(redis.REPL_NONE) end
`;

/**
 * ARGV: one text of lines, each with its LF, of which keys and JSON have none: client and server handle one long argument
 * at two thirds of the cost of hundreds. The lines: token, number of keys it locked, those keys; number of transactions,
 * of writes; the transactions' numbers of writes, each with a comma (or nothing, where all have one); the first time until
 * which one of them holds (or nothing), and the times of all, each (or nothing) with a comma, which are looked at once the
 * first has passed; the writes' keys; for each of them what is expected (`version ` or nothing) and what to write (the
 * text, `-` to delete, nothing to check).
 *
 * Answers the time, a letter for each transaction (ok, conflict, late, busy), then what lies under the keys of those in
 * conflict. Busy is what would write a key that somebody else has locked.
 */
const commit = `
local parts = { ARGV[1], ARGV[2] }
local function listed(text)
  local list = {}
  for one in string.gmatch(text, '([^,]*),') do list[#list + 1] = one end
  return list
end
do
  local text, find, n, from = ARGV[3], string.find, 2, 1
  local to = find(text, '\\n', from, true)
  while to do
    n = n + 1
    parts[n] = sub(text, from, to - 1)
    from = to + 1
    to = find(text, '\\n', from, true)
  end
end
local token, lockedCount = parts[3], tonumber(parts[4])
local at = 4 + lockedCount
local transactions, writes = tonumber(parts[at + 1]), tonumber(parts[at + 2])
local keyAt = at + 5
local pairAt = keyAt + writes
local counts, deadlines
if parts[at + 3] ~= '' then counts = listed(parts[at + 3]) end
if parts[at + 4] ~= '' and now > tonumber(parts[at + 4]) then deadlines = listed(parts[at + 5]) end
local found = fetch(records, parts, keyAt + 1, keyAt + writes)
local locked
if call('EXISTS', locks) == 1 then locked = fetch(locks, parts, keyAt + 1, keyAt + writes) end

local letters, answer = {}, { now, '' }
local puts, added, dated, dropped, undated = {}, {}, {}, {}, {}
local last = 0
for i = 1, transactions do
  local first = last + 1
  last = counts and last + counts[i] or first
  local letter = 'o'
  for w = first, last do
    local stored, expected = found[w], parts[pairAt + 2 * w - 1]
    if expected == '' then
      if stored then letter = 'c' break end
    elseif not stored or sub(stored, 17, 16 + #expected) ~= expected then
      letter = 'c' break
    end
  end
  if letter == 'o' then
    local notAfter = deadlines and deadlines[i] or ''
    if notAfter ~= '' and now > tonumber(notAfter) then
      letter = 'l'
    elseif locked then
      for w = first, last do
        if parts[pairAt + 2 * w] ~= '' and held(locked[w], token) then letter = 'b' break end
      end
    end
  end
  letters[i] = letter
  if letter == 'c' then
    for w = first, last do answer[#answer + 1] = found[w] end
  elseif letter == 'o' then
    for w = first, last do
      local key, text, stored = parts[keyAt + w], parts[pairAt + 2 * w], found[w]
      if text == '-' then
        if stored then
          dropped[#dropped + 1] = key
          if sub(stored, 1, 16) ~= NEVER then undated[#undated + 1] = key end
        end
      elseif text ~= '' then
        local n = #puts
        puts[n + 1] = key
        puts[n + 2] = text
        if not stored then
          added[#added + 1] = '0'
          added[#added + 1] = key
        end
        local before, after = stored and sub(stored, 1, 16) or NEVER, sub(text, 1, 16)
        if before ~= after then
          if after == NEVER then
            undated[#undated + 1] = key
          else
            dated[#dated + 1] = after
            dated[#dated + 1] = key
          end
        end
      end
    end
  end
end

local release = {}
if locked or (lockedCount > 0 and call('EXISTS', locks) == 1) then
  local mine = fetch(locks, parts, 5, 4 + lockedCount)
  for i = 1, lockedCount do
    if mine[i] and sub(mine[i], 15) == token then release[#release + 1] = parts[4 + i] end
  end
end

-- Where one of these is of another type, this fails before anything is written.
if #added > 0 or #dropped > 0 then call('ZCARD', index) end
if #dated > 0 or #undated > 0 then call('ZCARD', expiry) end
if #puts > 0 then
  each('HSET', records, puts)
  if not written then call('SET', schema, ARGV[1]) end
else
  assertWritable()
end
each('ZADD', index, added)
each('ZADD', expiry, dated)
each('HDEL', records, dropped)
each('ZREM', index, dropped)
each('ZREM', expiry, undated)
if #release > 0 then
  forgettable()
  each('HDEL', locks, release)
end
answer[2] = table.concat(letters)
return answer
`;

/** ARGV: the keys. Answers the time, and a list of what lies under each. */
const read = `
local found = fetch(records, ARGV, 3, #ARGV)
assertWritable()
return { now, found }
`;

/**
 * ARGV: token, how long it may hold the keys, how long it is waited for between two of its questions, the keys. Takes
 * its turn: after whoever holds one of the keys, and after whoever came before and waits for one of them.
 *
 * Answers the time, -1 and a list of what lies under the keys; or the time and how many are in front of it, at least.
 */
const lock = `
local token, holdMs, patienceMs = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
forgettable()
local waiting = '\\n' .. token
local ahead = -1
if call('EXISTS', locks) == 1 then
  local entries = fetch(locks, ARGV, 6, #ARGV)
  for i = 1, #ARGV - 5 do
    if held(entries[i], token) then ahead = call('ZRANK', queue, token) or call('ZCARD', queue) break end
  end
  if ahead < 0 then
    local wanted = {}
    for i = 6, #ARGV do wanted[ARGV[i]] = true end
    for _, other in ipairs(call('ZRANGE', queue, 0, -1)) do
      if other == token then break end
      local entry = call('HGET', locks, '\\n' .. other)
      if not entry or tonumber(sub(entry, 1, 13)) < server then
        call('ZREM', queue, other)
        call('HDEL', locks, '\\n' .. other)
      else
        for key in string.gmatch(sub(entry, 15), '[^\\n]+') do
          if wanted[key] then ahead = math.max(ahead, 0) + 1 break end
        end
      end
    end
  end
end
if ahead >= 0 then
  local entry = call('HGET', locks, waiting)
  if not entry or tonumber(sub(entry, 1, 13)) - server < patienceMs / 2 then
    call('HSET', locks, waiting, string.format('%013d', server + patienceMs) .. '\\n' .. table.concat(ARGV, '\\n', 6))
  end
  if not call('ZSCORE', queue, token) then
    local lastOne = call('ZRANGE', queue, -1, -1, 'WITHSCORES')
    call('ZADD', queue, lastOne[2] and lastOne[2] + 1 or 1, token)
  end
  return { now, ahead }
end
local found = fetch(records, ARGV, 6, #ARGV)
local mark = string.format('%013d', server + holdMs) .. ' ' .. token
local marks = {}
for i = 6, #ARGV do
  marks[#marks + 1] = ARGV[i]
  marks[#marks + 1] = mark
end
each('HSET', locks, marks)
if call('ZREM', queue, token) == 1 then call('HDEL', locks, waiting) end
return { now, -1, found }
`;

/** ARGV: token, the keys. Lets go of those it holds, and no longer waits for any. Answers the time. */
const unlock = `
forgettable()
local mine, release = fetch(locks, ARGV, 4, #ARGV), { '\\n' .. ARGV[3] }
for i = 1, #ARGV - 3 do
  if mine[i] and sub(mine[i], 15) == ARGV[3] then release[#release + 1] = ARGV[3 + i] end
end
each('HDEL', locks, release)
call('ZREM', queue, ARGV[3])
return { now }
`;

/**
 * ARGV: start and end, with `[` (included) or `(` (not included) before each, limit, 1 for the reverse order, how many
 * bytes are enough for one answer. Answers the time, 1 where there may be more than these, then keys and what lies under them.
 */
const range = `
local first, last, limit, backwards, enough = ARGV[3], ARGV[4], ARGV[5], ARGV[6] == '1', tonumber(ARGV[7])
assertWritable()
local keys
if backwards then
  keys = call('ZREVRANGEBYLEX', index, last, first, 'LIMIT', 0, limit)
else
  keys = call('ZRANGEBYLEX', index, first, last, 'LIMIT', 0, limit)
end
local answer, bytes = { now, 0 }, 0
for from = 1, #keys, 50 do
  if bytes > enough then
    answer[2] = 1
    break
  end
  local to = math.min(from + 49, #keys)
  local found = fetch(records, keys, from, to)
  for i = from, to do
    local text = found[i - from + 1]
    answer[#answer + 1] = keys[i]
    answer[#answer + 1] = text
    bytes = bytes + (text and #text or 0)
  end
end
return answer
`;

/** ARGV: limit. Answers the time and a list of the keys it deleted: expired ones, but for those that somebody has locked. */
const sweep = `
local keys = call('ZRANGEBYSCORE', expiry, '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[3])
local contended = call('EXISTS', locks) == 1
local gone = {}
local entries = contended and fetch(locks, keys, 1, #keys)
for i, key in ipairs(keys) do
  if not (entries and held(entries[i], '')) then gone[#gone + 1] = key end
end
call('ZCARD', index)
call('HLEN', records)
assertWritable()
each('HDEL', records, gone)
each('ZREM', index, gone)
each('ZREM', expiry, gone)
if contended then
  -- What the dead left behind.
  forgettable()
  local some = call('HSCAN', locks, 0, 'COUNT', 1000)[2]
  local stale = {}
  for i = 1, #some, 2 do
    if tonumber(sub(some[i + 1], 1, 13)) < server then
      stale[#stale + 1] = some[i]
      if sub(some[i], 1, 1) == '\\n' then call('ZREM', queue, sub(some[i], 2)) end
    end
  end
  each('HDEL', locks, stale)
end
return { now, gone }
`;

/**
 * Looks whether the user may run all that the scripts run, and names what is lacking: a right that is found missing in the
 * middle of a script leaves behind what the script wrote before. EVAL is needed where a server does not know a script yet.
 *
 * The first script of a store, so that it stands before what the others begin with.
 */
const rights = `
local lacking = {}
local function needs(command, ...)
  if not redis.acl_check_cmd(command, ...) then lacking[#lacking + 1] = command end
end
-- Servers that speak the protocol of Redis may not have it.
if redis.acl_check_cmd then
  needs('EVALSHA', '', '0')
  needs('EVAL', '', '0')
  needs('TIME')
  for _, command in ipairs({ 'GET', 'HLEN', 'ZCARD', 'EXISTS' }) do needs(command, KEYS[1]) end
  for _, command in ipairs({ 'HGET', 'HMGET', 'HDEL', 'HSCAN', 'ZREM', 'ZSCORE', 'ZRANK' }) do needs(command, KEYS[1], '0') end
  needs('SET', KEYS[1], '')
  for _, command in ipairs({ 'HSET', 'ZADD' }) do needs(command, KEYS[1], '0', '') end
  for _, command in ipairs({ 'ZRANGE', 'ZRANGEBYSCORE', 'ZRANGEBYLEX', 'ZREVRANGEBYLEX' }) do needs(command, KEYS[1], '0', '0') end
end
if #lacking > 0 then return redis.error_reply('AMBITRIGHTS ' .. table.concat(lacking, ' ')) end
`;

/** Makes the namespace, or looks at the one that is there: every structure must be of its type. Answers the time. */
const open = `
call('HLEN', records)
call('ZCARD', index)
call('ZCARD', expiry)
call('HLEN', locks)
call('ZCARD', queue)
assertWritable()
if not written then call('SET', schema, ARGV[1]) end
return { now }
`;

function scriptOf(body: string, before = ''): RedisScript {
  const text = before + prelude + body;
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

export type ScriptName = 'commit' | 'read' | 'lock' | 'unlock' | 'range' | 'sweep' | 'open';

export const scripts: Readonly<Record<ScriptName, RedisScript>> = {
  commit: scriptOf(commit),
  read: scriptOf(read),
  lock: scriptOf(lock),
  unlock: scriptOf(unlock),
  range: scriptOf(range),
  sweep: scriptOf(sweep),
  open: scriptOf(open, rights),
};
