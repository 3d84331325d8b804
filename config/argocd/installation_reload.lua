-- Asks for another attempt: a new value of the annotation is a request.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["extensions.provisioning.dev/retry-requested-at"] = os.date("!%Y-%m-%dT%XZ")
return obj
