-- wrk: change notifications as Graph sends them, each one unique.
-- Arguments: clientState, items in a body, and "neighbours" (ids that differ in a counter at their end) or "scattered".
local thread_count = 0
function setup(thread)
  thread:set("thread_number", thread_count)
  thread_count = thread_count + 1
end

local state, items, scattered, sequence
local id_head = string.rep("AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A", 3)

function init(args)
  state, items, scattered, sequence = args[1], tonumber(args[2]), args[3] == "scattered", 0
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  local parts = {}
  for i = 1, items do
    sequence = sequence + 1
    local id = string.format("%s%02d%012d=", id_head, thread_number, sequence)
    if scattered then
      local one = (sequence * 2654435761) % 4294967296
      local two = (sequence * 40503 + one) % 4294967296
      id = string.format("%s%02d%012d%010d%010d=", string.sub(id_head, 1, 60), thread_number, sequence, one, two)
    end
    parts[i] = string.format(
      '{"subscriptionId":"0f2a6d3e-8c55-4c1b-9d0e-5f3a2b1c4d5e","subscriptionExpirationDateTime":' ..
      '"2027-03-08T09:00:00.1234567+00:00","clientState":"%s","changeType":"created",' ..
      '"tenantId":"9c41f7aa-1111-4222-8333-444455556666","resource":"Users/6b1f0000-1111-4222-8333-444455556666/Messages/%s",' ..
      '"resourceData":{"@odata.type":"#Microsoft.Graph.Message","@odata.id":"Users/6b1f0000-1111-4222-8333-444455556666/Messages/%s",' ..
      '"@odata.etag":"W/\\"CQAAABYAAA%012d\\"","id":"%s"}}', state, id, id, sequence, id)
  end
  return wrk.format(nil, "/notifications", nil, '{"value":[' .. table.concat(parts, ",") .. "]}")
end
