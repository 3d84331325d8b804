-- While an Installation is suspended a retry would wait; while an attempt is under way, or
-- something is tried again by itself, it would only make another attempt after that.
local busy = false
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    busy = busy or condition.type == "Reconciling"
  end
end
return {retry = {disabled = busy or obj.spec.suspend == true}}
