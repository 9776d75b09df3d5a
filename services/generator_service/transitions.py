"""A job's life as conditional transitions in Redis: queued -> drawing -> done | failed | canceled.

Each is one Lua script, so each happens entirely or not at all, whoever else asks at that moment: a duplicate message
finds the job taken, a worker that lost its job cannot commit it. All clocks are Redis' own. No Python logic here.

A job is one hash, KEYS[1]:
  state, priority, job (JSON), queued_at, sent_at, started_at (seconds), step, of, lease (unique for each start; its own
  key lives as long as the worker renews it), worker, losses, cancel, drawing or problem (JSON), model (what drew it),
  and `for:<holder>` for each run that wants it: the run's fence, so that an orchestrator that lost a run cannot
  withdraw the wish of the one that has it now; previews (how many were made), trace (the W3C traceparent of
  whoever asked first, '' where nothing is traced); unused (it was drawn on a guess, and that was counted); way (a
  speculative job gave way for this one).
Endings are published on the job's channel as `state step of value`, so that whoever waits need not look. They are also
pushed onto a list, KEYS[2], from which one API process counts each exactly once. Jobs of normal priority that wait are
in a sorted set, so that each can be told how many come before it; nothing depends on it.
"""

from __future__ import annotations

_NOW = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
"""

_END = """
local function finish(state, field, value, ending)
  redis.call('HSET', KEYS[1], 'state', state)
  if field ~= '' then redis.call('HSET', KEYS[1], field, value) end
  redis.call('HDEL', KEYS[1], 'lease', 'worker', 'cancel')
  redis.call('RPUSH', KEYS[2], ending)
  redis.call('LTRIM', KEYS[2], -10000, -1)
  redis.call('ZREM', KEYS[3], KEYS[1])
  local at = redis.call('HMGET', KEYS[1], 'step', 'of')
  redis.call('PUBLISH', KEYS[1], table.concat({state, at[1] or 0, at[2] or 0, value}, ' '))
end
"""

_AGAIN = """
local function waits_again()
  local priority = redis.call('HGET', KEYS[1], 'priority')
  redis.call('HDEL', KEYS[1], 'way')
  if priority == 'normal' then redis.call('ZADD', KEYS[3], redis.call('HGET', KEYS[1], 'queued_at'), KEYS[1]) end
  return priority
end
"""

SUBMIT = (
    _NOW
    + """
-- KEYS[2]: the waiting jobs. ARGV: job, priority, holder, model now served ('' where unknown), ttl, fence, the trace
-- that asks. Returns the trace that asked first, and 'send' when a message must be sent, 'sooner' when one for a job
-- that waited already, 'again' when the holder repeats a wish that stands, 'declined' for a new speculative one while
-- a normal one waits, else 'join'.
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'done' and ARGV[4] ~= '' and redis.call('HGET', KEYS[1], 'model') ~= ARGV[4] then state = false end
local answer = 'join'
if not state or state == 'failed' or state == 'canceled' then
  if ARGV[2] == 'speculative' and redis.call('ZCARD', KEYS[2]) > 0 then return {'declined', ''} end
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'state', 'queued', 'priority', ARGV[2], 'job', ARGV[1], 'queued_at', now, 'sent_at', now)
  redis.call('HSET', KEYS[1], 'trace', ARGV[7])
  answer = 'send'
elseif ARGV[2] == 'normal' and redis.call('HGET', KEYS[1], 'priority') == 'speculative' then
  redis.call('HSET', KEYS[1], 'priority', 'normal', 'sent_at', now)
  if state == 'queued' then answer = 'sooner' end
end
if answer ~= 'join' and ARGV[2] == 'normal' then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[5])
  redis.call('ZADD', KEYS[2], now, KEYS[1])
  redis.call('EXPIRE', KEYS[2], ARGV[5])
end
redis.call('HDEL', KEYS[1], 'cancel')
local wish = 'for:' .. ARGV[3]
local fence = redis.call('HGET', KEYS[1], wish)
if fence and answer == 'join' then answer = 'again' end
if not fence or tonumber(fence) < tonumber(ARGV[6]) then redis.call('HSET', KEYS[1], wish, ARGV[6]) end
redis.call('EXPIRE', KEYS[1], ARGV[5])
return {answer, redis.call('HGET', KEYS[1], 'trace') or ''}
"""
)

CANCEL = (
    _END
    + """
-- KEYS[3]: the waiting jobs. ARGV: holder, ending, fence.
-- Withdraws one holder's wish; the job stops when nobody else has one.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'unknown' end
if state ~= 'queued' and state ~= 'drawing' then return 'already_done' end
local fence = redis.call('HGET', KEYS[1], 'for:' .. ARGV[1])
if fence and tonumber(fence) > tonumber(ARGV[3]) then return 'still_wanted' end
redis.call('HDEL', KEYS[1], 'for:' .. ARGV[1])
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 4) == 'for:' then return 'still_wanted' end
end
if state == 'queued' then
  finish('canceled', '', '', ARGV[2])
else
  redis.call('HSET', KEYS[1], 'cancel', 1)
end
return 'requested'
"""
)

REVIVE = (
    _NOW
    + _END
    + _AGAIN
    + """
-- KEYS[3]: the waiting jobs. ARGV: prefix of the leases' keys, patience in seconds, losses allowed, problem, ending.
-- A drawing job whose lease ran out is queued again, and failed when it took too many workers with it; a queued job
-- whose message may be lost is sent again (one too many does no harm). Returns the queue to send to, or nothing.
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'drawing' then
  if redis.call('EXISTS', ARGV[1] .. redis.call('HGET', KEYS[1], 'lease')) == 1 then return false end
  if redis.call('HINCRBY', KEYS[1], 'losses', 1) >= tonumber(ARGV[3]) then
    finish('failed', 'problem', ARGV[4], ARGV[5])
    return false
  end
  redis.call('HSET', KEYS[1], 'state', 'queued', 'sent_at', now, 'step', 0)
  redis.call('HDEL', KEYS[1], 'lease', 'worker')
  return waits_again()
elseif state == 'queued' and now - redis.call('HGET', KEYS[1], 'sent_at') > tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'sent_at', now)
  return redis.call('HGET', KEYS[1], 'priority')
end
return false
"""
)

CLAIM = (
    _NOW
    + """
-- KEYS[2]: the lease's own key. KEYS[3]: the waiting jobs. KEYS[4]: the channel of the job's progress.
-- ARGV: lease, worker, lease's milliseconds.
-- Returns {job, seconds in the queue}, or nothing when the job is not there to be drawn.
if redis.call('HGET', KEYS[1], 'state') ~= 'queued' then return false end
redis.call('HSET', KEYS[1], 'state', 'drawing', 'lease', ARGV[1], 'worker', ARGV[2], 'started_at', now, 'step', 0)
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('ZREM', KEYS[3], KEYS[1])
redis.call('PUBLISH', KEYS[4], 'drawing')
return {redis.call('HGET', KEYS[1], 'job'), tostring(now - redis.call('HGET', KEYS[1], 'queued_at'))}
"""
)

ADVANCE = """
-- KEYS[2]: the channel of the job's progress. KEYS[3]: the waiting jobs. ARGV: lease, step, of.
-- Returns 'cancel', 'lost', 'give way' where a speculative one is drawn while a normal one waits (after the last step
-- only the picture is left to make) for which none has given way yet, 'seen' when somebody listens to the progress,
-- else 'go'.
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then return 'lost' end
redis.call('HSET', KEYS[1], 'step', ARGV[2], 'of', ARGV[3])
if redis.call('HGET', KEYS[1], 'cancel') then return 'cancel' end
if redis.call('HGET', KEYS[1], 'priority') == 'speculative' and tonumber(ARGV[2]) < tonumber(ARGV[3]) then
  for _, waiting in ipairs(redis.call('ZRANGE', KEYS[3], 0, 31)) do
    if redis.call('EXISTS', waiting) == 1 and redis.call('HSETNX', waiting, 'way', 1) == 1 then return 'give way' end
  end
end
if redis.call('PUBLISH', KEYS[2], ARGV[2]) > 0 then return 'seen' end
return 'go'
"""

SHOW = """
-- KEYS[2]: the channel of the job's progress. KEYS[3]: the preview's own key. ARGV: lease, preview, its milliseconds.
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then return 'lost' end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
redis.call('HINCRBY', KEYS[1], 'previews', 1)
redis.call('PUBLISH', KEYS[2], 'preview')
return 'go'
"""

FINISH = (
    _NOW
    + _END
    + _AGAIN
    + """
-- KEYS[3]: the waiting jobs. ARGV: lease, state, field, value, model, ttl, ending.
-- The fenced commit: only the lease's owner can end the job.
-- Returns 'ended', 'lost', or the queue to send a message to when a job that stopped is still wanted, or again.
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then return 'lost' end
if ARGV[2] == 'canceled' and not redis.call('HGET', KEYS[1], 'cancel') then
  redis.call('HSET', KEYS[1], 'state', 'queued', 'sent_at', now, 'step', 0)
  redis.call('HDEL', KEYS[1], 'lease', 'worker')
  return waits_again()
end
redis.call('HSET', KEYS[1], 'model', ARGV[5])
finish(ARGV[2], ARGV[3], ARGV[4], ARGV[7])
redis.call('EXPIRE', KEYS[1], ARGV[6])
return 'ended'
"""
)
