-- For wrk: sends the requests of a file (bench/load/requests.py) and prints the result as JSON.
--
--   BENCH_REQUESTS=FILE wrk ... -s closed.lua URL
--
-- With a single request nothing of Lua runs while the load does.

local ffi = require("ffi")
ffi.cdef([[
  int open(const char *path, int flags);
  int close(int fd);
  int64_t lseek(int fd, int64_t offset, int whence);
  void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset);
]])

local O_RDONLY, SEEK_END, PROT_READ, MAP_PRIVATE = 0, 2, 1, 2

local path = os.getenv("BENCH_REQUESTS")
local file = ffi.C.open(path, O_RDONLY)
assert(file >= 0, "BENCH_REQUESTS cannot be read")
local size = tonumber(ffi.C.lseek(file, 0, SEEK_END))
local data = ffi.cast("const uint8_t *", ffi.C.mmap(nil, size, PROT_READ, MAP_PRIVATE, file, 0))
ffi.C.close(file)

local words = ffi.cast("const uint64_t *", data)
local count = tonumber(words[0])

local function at(index)
  return ffi.string(data + words[1 + 2 * index], tonumber(words[2 + 2 * index]))
end

if count == 1 then
  wrk.format = function()
    return at(0)
  end
else
  local index = -1
  request = function()
    index = index + 1
    if index == count then
      index = 0
    end
    return at(index)
  end
end

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "duration_us": %d, "bytes": %d, "refused": %d, '
      .. '"broken": %d, "timeouts": %d, "p50_us": %d, "p90_us": %d, "p99_us": %d, '
      .. '"p999_us": %d, "max_us": %d}\n',
    summary.requests, summary.duration, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write, errors.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency:percentile(99.9), latency.max))
end
