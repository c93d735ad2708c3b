# Refused: model "00000000-0000-4000-8000-000000000000" not found
terraform {
  required_providers {
    juju = { source = "juju/juju" }
  }
}

resource "juju_application" "this" {
  model_uuid = "00000000-0000-4000-8000-000000000000"

  charm {
    name = "radarr"
  }
}
