//! What Redis does in one step, as Lua. Every name that a script touches is in the slot of its first key.

use std::sync::LazyLock;

use ::redis::Script;

/// What Redis does in one step.
type Step = LazyLock<Script>;

/// Makes an upload an entry, and lets what it replaces end when its readers have read it.
///
/// Keys: the entry, the upload. Arguments: the manifest; how many chunks there are; what it lives, in ms, or 0
/// for ever; what a replaced one lives, in ms; what the name of a replaced one begins with. Returns the manifest
/// that was there, or nothing; or `incomplete`, if chunks are gone.
pub(super) static PUBLISH: Step = LazyLock::new(|| {
    Script::new(
        r"
        local lives = tonumber(ARGV[3])
        if redis.call('HLEN', KEYS[2]) ~= tonumber(ARGV[2]) then return 'incomplete' end
        local old = redis.call('HGET', KEYS[1], 'm') or ''
        local upload = string.match(old, '^mm1 e (%x+) ')
        redis.call('HSET', KEYS[2], 'm', ARGV[1])
        if upload then
            redis.call('RENAME', KEYS[1], ARGV[5] .. upload)
            redis.call('PEXPIRE', ARGV[5] .. upload, ARGV[4])
        end
        redis.call('RENAME', KEYS[2], KEYS[1])
        if lives > 0 then redis.call('PEXPIRE', KEYS[1], lives) else redis.call('PERSIST', KEYS[1]) end
        return string.match(old, '^[^\n]*') or ''
        ",
    )
});

/// Takes an entry away, and lets it end when its readers have read it.
///
/// Keys: the entry. Arguments: the only upload that is meant, or `*`; what a removed one lives, in ms; what the
/// name of a removed one begins with. Returns the line of the manifest, or nothing.
pub(super) static REMOVE: Step = LazyLock::new(|| {
    Script::new(
        r"
        local line = string.match(redis.call('HGET', KEYS[1], 'm') or '', '^[^\n]*') or ''
        local upload = string.match(line, '^mm1 e (%x+) ')
        if ARGV[1] ~= '*' and upload ~= ARGV[1] then return '' end
        if upload then
            redis.call('RENAME', KEYS[1], ARGV[3] .. upload)
            redis.call('PEXPIRE', ARGV[3] .. upload, ARGV[2])
        else
            redis.call('DEL', KEYS[1])
        end
        return line
        ",
    )
});

/// Takes a lease, unless somebody has it or what it is for is too large to be shared.
///
/// Keys: the lease, the entry. Arguments: the token; what it lives, in ms. Returns `held`, `exempt`, or
/// how long the other one's lasts at least, in ms.
pub(super) static ACQUIRE: Step = LazyLock::new(|| {
    Script::new(
        r"
        if string.sub(redis.call('HGET', KEYS[2], 'm') or '', 1, 6) == 'mm1 x ' then
            return 'exempt'
        end
        if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 'held' end
        if redis.call('GET', KEYS[1]) == ARGV[1] then return 'held' end
        return tostring(redis.call('PTTL', KEYS[1]))
        ",
    )
});

/// Lets a lease live on, if it is still held. Keys: the lease. Arguments: the token; what it lives, in ms.
pub(super) static RENEW: Step = LazyLock::new(|| {
    Script::new(
        r"
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
        return redis.call('PEXPIRE', KEYS[1], ARGV[2])
        ",
    )
});

/// Gives a lease back, if it is still held, and wakes who waits for it.
///
/// Keys: the lease. Arguments: the token; the channel; what is said there.
pub(super) static RELEASE: Step = LazyLock::new(|| {
    Script::new(
        r"
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
        redis.call('DEL', KEYS[1])
        redis.call('PUBLISH', ARGV[2], ARGV[3])
        return 1
        ",
    )
});

/// Appends a removal to the log.
///
/// Keys: the log, the sequence, the identity, the epochs. Arguments: the removal; how long the log may be;
/// an identity for a log that has none; the removal's shape and until when it reaches, in ns, or empty ones;
/// how many shapes may be known; the sum of the removal's text. Returns the removal's number.
pub(super) static ANNOUNCE: Step = LazyLock::new(|| {
    Script::new(
        r"
        redis.call('SET', KEYS[3], ARGV[3], 'NX')
        if redis.call('EXISTS', KEYS[2]) == 0 then
            local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
            if last[1] then redis.call('SET', KEYS[2], last[1][2][2]) end
        end
        local number = redis.call('INCR', KEYS[2])
        redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'n', number, 'r', ARGV[1], 's', ARGV[7])
        local shape, reaches = ARGV[4], ARGV[5]
        if shape ~= '' then
            local known = redis.call('HGET', KEYS[4], shape)
            if not known and redis.call('HLEN', KEYS[4]) >= tonumber(ARGV[6]) then
                shape = 'forgotten'
                known = redis.call('HGET', KEYS[4], shape)
            end
            if not known or tonumber(known) < tonumber(reaches) then
                redis.call('HSET', KEYS[4], shape, reaches)
            end
        end
        return number
        ",
    )
});

/// Notes until when an entry was removed by its key, if that is later than what is noted.
///
/// Keys: the tombstone. Arguments: until when it reaches, in ns; what the note lives, in ms.
pub(super) static BURY: Step = LazyLock::new(|| {
    Script::new(
        r"
        local known = tonumber(redis.call('GET', KEYS[1]) or '0')
        if known < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
        ",
    )
});

/// Notes that an entry has some bytes, for at least as long as it lives.
///
/// Keys: the keys of all such entries. Arguments: the key; how long the note lives at least, in ms.
pub(super) static REMEMBER: Step = LazyLock::new(|| {
    Script::new(
        r"
        redis.call('SADD', KEYS[1], ARGV[1])
        local left = redis.call('PTTL', KEYS[1])
        if left < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
        ",
    )
});

/// Says where the log stands; a log without an identity is given one.
///
/// Keys: the log, the sequence, the identity. Arguments: an identity. Returns the identity, the number of
/// the last removal and its place in the log.
pub(super) static STAND: Step = LazyLock::new(|| {
    Script::new(
        r"
        local identity = redis.call('GET', KEYS[3])
        if not identity then
            identity = ARGV[1]
            redis.call('SET', KEYS[3], identity)
        end
        local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
        local place = last[1] and last[1][1] or '0-0'
        local number = redis.call('GET', KEYS[2]) or (last[1] and last[1][2][2]) or '0'
        return { identity, tonumber(number), place }
        ",
    )
});

/// Raises epochs that are known here to what they are there, if they are later. Keys: the epochs. Arguments:
/// shapes and until when they reach, in turn.
pub(super) static RAISE: Step = LazyLock::new(|| {
    Script::new(
        r"
        for i = 1, #ARGV, 2 do
            local known = redis.call('HGET', KEYS[1], ARGV[i])
            if not known or tonumber(known) < tonumber(ARGV[i + 1]) then
                redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
            end
        end
        ",
    )
});

/// Stands in the line for a slot at any of some backends, or takes one, if it is free and nobody before wants
/// it.
///
/// Keys: the line, when each in it was last seen, what each wants, the numbers of the line, what the names of
/// held slots begin with. Arguments: the token; what a slot lives, in ms; how long who was not seen stays in
/// the line, in ms; what is wanted, as a list of names and numbers in JSON. Returns which of those it is,
/// counted from 1, or 0.
pub(super) static TAKE_SLOT: Step = LazyLock::new(|| {
    Script::new(
        r"
        local line, seen, wants, numbers, prefix = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
        local token, lives, waits = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        for at, wanted in ipairs(cjson.decode(ARGV[4])) do
            if redis.call('ZSCORE', prefix .. wanted[1], token) then return at end
        end
        for _, gone in ipairs(redis.call('ZRANGEBYSCORE', seen, '-inf', now - waits)) do
            redis.call('ZREM', line, gone)
            redis.call('ZREM', seen, gone)
            redis.call('HDEL', wants, gone)
        end
        if not redis.call('ZSCORE', line, token) then
            redis.call('ZADD', line, redis.call('INCR', numbers), token)
        end
        redis.call('ZADD', seen, now, token)
        redis.call('HSET', wants, token, ARGV[4])
        local room = {}
        local function free(name, concurrency)
            if not room[name] then
                redis.call('ZREMRANGEBYSCORE', prefix .. name, '-inf', now)
                room[name] = concurrency - redis.call('ZCARD', prefix .. name)
            end
            return room[name]
        end
        for _, waiting in ipairs(redis.call('ZRANGE', line, 0, -1)) do
            local best, best_at, best_room = nil, 0, 0
            for at, wanted in ipairs(cjson.decode(redis.call('HGET', wants, waiting) or '[]')) do
                local left = free(wanted[1], wanted[2])
                if left > best_room then best, best_at, best_room = wanted[1], at, left end
            end
            if waiting == token then
                if not best then return 0 end
                redis.call('ZADD', prefix .. best, now + lives, token)
                redis.call('ZREM', line, token)
                redis.call('ZREM', seen, token)
                redis.call('HDEL', wants, token)
                return best_at
            end
            if best then room[best] = room[best] - 1 end
        end
        return 0
        ",
    )
});

/// Lets a slot live on, also one that was lost meanwhile: the work is there, whoever else has begun. Keys: the
/// held slots of its backend. Arguments: the token; what it lives, in ms. Returns whether it was lost.
pub(super) static RENEW_SLOT: Step = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        return redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
        ",
    )
});

/// Leaves the line, or gives a slot back, and wakes who waits for one.
///
/// Keys: the line, when each was seen, what each wants, and the held slots of each backend at which it may be.
/// Arguments: the token; the channel; what is said there.
pub(super) static LEAVE_SLOT: Step = LazyLock::new(|| {
    Script::new(
        r"
        redis.call('ZREM', KEYS[1], ARGV[1])
        redis.call('ZREM', KEYS[2], ARGV[1])
        redis.call('HDEL', KEYS[3], ARGV[1])
        for i = 4, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
        redis.call('PUBLISH', ARGV[2], ARGV[3])
        return 1
        ",
    )
});
