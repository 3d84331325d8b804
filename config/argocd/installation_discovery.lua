-- While an Installation is suspended its reload would wait; while an attempt is under way, or
-- something is tried again by itself, it would only make another attempt after that.
local busy = false
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    busy = busy or condition.type == "Reconciling"
  end
end
return {reload = {
  displayName = "Reload: run its hooks again",
  disabled = busy or obj.spec.suspend == true
}}
