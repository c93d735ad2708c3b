# Refused: media is no UUID
terraform {
  required_providers {
    juju = { source = "juju/juju" }
  }
}

resource "juju_application" "this" {
  model_uuid = "media"

  charm {
    name = "radarr"
  }
}
