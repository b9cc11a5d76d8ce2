local function health(status, message)
  return {status = status, message = message}
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "the operator removes copies and references")
end
local status = obj.status or {}
-- A status of an earlier generation says nothing about this spec. -1: the operator has not seen the object yet.
if status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "waiting for the operator to see this version")
end
if obj.spec.suspend then
  return health("Suspended", "spec.suspend is true: the operator writes no copy and no reference for this object")
end
local ready, stalled
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" then
    ready = condition
  elseif condition.type == "Stalled" and condition.status == "True" then
    stalled = condition
  end
end
if stalled ~= nil then
  return health("Degraded", stalled.reason .. ": " .. stalled.message)
end
if ready == nil then
  return health("Progressing", "waiting for the condition Ready")
end
-- An object that is neither ready nor stalled may still become ready. The same commit may create its source later.
return health(ready.status == "True" and "Healthy" or "Progressing", ready.reason .. ": " .. ready.message)
