-- While an Extension is suspended its reload would wait.
return {reload = {
  displayName = "Reload: read and check it again",
  disabled = obj.spec.suspend == true
}}
