-- While an Extension is suspended its reload would wait.
return {reload = {disabled = obj.spec.suspend == true}}
