"""What Redis runs for us: each script compares and writes without anything in between.

A stamp is digits of one length, so that comparing texts compares numbers: Lua's own numbers are exact up to 2**53 only,
and how it orders other texts depends on the server's locale.
"""

from __future__ import annotations

STAMP = 20
_BIAS = 2**63


def stamp(*numbers: int) -> bytes:
    """Return 64-bit numbers as text that sorts as they do.

    >>> stamp(-1) < stamp(0) < stamp(2**60)
    True
    """
    return "".join(f"{number + _BIAS:0{STAMP}d}" for number in numbers).encode()


def unstamped(text: bytes) -> int:
    """Return the number of one stamp."""
    return int(text) - _BIAS


# Keys: the index, the definitions, then one hash for each state.
# Arguments: how long the hashes' common beginning is, the definition, then source, stamp and state of each.
WRITE_STATES = """
local written, prefix = 0, tonumber(ARGV[1])
for i = 3, #KEYS do
  local at = 3 + (i - 3) * 3
  local source, stamp = ARGV[at], ARGV[at + 1]
  local found = redis.call('HGET', KEYS[i], source)
  if not found or stamp > string.sub(found, 1, 20) then
    redis.call('HSET', KEYS[i], source, stamp .. ARGV[at + 2])
    if not found then
      redis.call('ZADD', KEYS[1], 'inf', string.sub(KEYS[i], prefix + 1))
      redis.call('SADD', KEYS[2], ARGV[2])
    end
    written = written + 1
  end
end
return written
"""

# Keys: the index, then one text for each row.
# Arguments: how long the texts' common beginning is, milliseconds to live or 0, then stamp and values of each.
WRITE_ROWS = """
local function greater(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end
local written, prefix, expire = 0, tonumber(ARGV[1]), tonumber(ARGV[2])
local score = 'inf'
if expire > 0 then
  local now = tonumber(redis.call('TIME')[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 1)
  score = now + math.ceil(expire / 1000)
end
for i = 2, #KEYS do
  local at = 3 + (i - 2) * 2
  local stamp, values = ARGV[at], ARGV[at + 1]
  local found = redis.call('GET', KEYS[i])
  local known = found and string.sub(found, 1, 40)
  if not found or stamp > known or (stamp == known and greater(values, string.sub(found, 41))) then
    if expire > 0 then
      redis.call('SET', KEYS[i], stamp .. values, 'PX', expire)
    else
      redis.call('SET', KEYS[i], stamp .. values)
    end
    if expire > 0 or not found then
      redis.call('ZADD', KEYS[1], score, string.sub(KEYS[i], prefix + 1))
    end
    written = written + 1
  end
end
return written
"""

# Key: the view's marks. Arguments: field, offset and publication of each.
WRITE_MARKS = """
for at = 1, #ARGV, 3 do
  local offset, published = ARGV[at + 1], ARGV[at + 2]
  local found = redis.call('HGET', KEYS[1], ARGV[at])
  if found then
    if string.sub(found, 1, 20) > offset then offset = string.sub(found, 1, 20) end
    if string.sub(found, 21) > published then published = string.sub(found, 21) end
  end
  redis.call('HSET', KEYS[1], ARGV[at], offset .. published)
end
return #ARGV / 3
"""
