-- Asks for a reload: a new value of the annotation is a request.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["extensions.provisioning.dev/reload-requested-at"] = os.date("!%Y-%m-%dT%XZ")
return obj
