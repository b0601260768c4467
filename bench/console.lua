-- wrk: people who look at pages of the console, and think in between.
-- Arguments: the cookie of a session, the shortest and longest pause in ms, then addresses; one that begins with "+" is
-- asked for by htmx, as a part of a page.
local threads = {}
function setup(thread)
  table.insert(threads, thread)
end

local pages, shortest, longest
unexpected = 0

function init(args)
  math.randomseed(7)
  wrk.headers["Cookie"] = args[1]
  shortest, longest = tonumber(args[2]), tonumber(args[3])
  pages = {}
  for i = 4, #args do
    local headers = { Cookie = args[1] }
    local path = args[i]
    if string.sub(path, 1, 1) == "+" then
      headers["HX-Request"] = "true"
      path = string.sub(path, 2)
    end
    pages[i - 3] = wrk.format("GET", path, headers)
  end
end

function delay()
  return math.random(shortest, longest)
end

function request()
  return pages[math.random(#pages)]
end

function response(status)
  if status ~= 200 then
    unexpected = unexpected + 1
  end
end

function done(summary, latency, requests)
  local others = 0
  for _, thread in ipairs(threads) do
    others = others + thread:get("unexpected")
  end
  io.write(string.format("console %d %d %d %d %d\n", summary.requests, others + summary.errors.connect
    + summary.errors.read + summary.errors.write + summary.errors.timeout, latency:percentile(50),
    latency:percentile(99), latency.max))
end
