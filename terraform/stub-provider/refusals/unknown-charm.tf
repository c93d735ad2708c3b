# Refused: charm "radar" not found
terraform {
  required_providers {
    juju = { source = "juju/juju" }
  }
}

resource "juju_application" "this" {
  model_uuid = "8a1c2e3f-0000-4000-8000-1f2e3d4c5b6a"

  charm {
    name = "radar"
  }
}
