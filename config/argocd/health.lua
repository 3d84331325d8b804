-- How an Extension or an Installation fares, in the words of Argo CD. Ready's message is the message.
local health = {status = "Progressing", message = "waits for the operator to look at it"}
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end

local found = {}
for _, condition in ipairs(status.conditions) do
  found[condition.type] = condition
end
local ready = found["Ready"]
if ready == nil then
  return health
end
health.message = ready.message

-- These wait for a person: nothing is wrong, and nothing goes on by itself.
local waiting = {Suspended = true, AwaitingRequest = true, AwaitingApproval = true}

if found["Reconciling"] ~= nil then
  health.status = "Progressing"
elseif obj.spec.suspend or waiting[ready.reason] then
  health.status = "Suspended"
elseif ready.status == "True" then
  health.status = "Healthy"
elseif found["Stalled"] ~= nil then
  health.status = "Degraded"
end
return health
