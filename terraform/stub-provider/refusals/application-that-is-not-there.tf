# Refused: application "sonarr" not found
terraform {
  required_providers {
    juju = { source = "juju/juju" }
  }
}

data "juju_application" "this" {
  model_uuid = "0b57f0a4-0000-4000-8000-0123456789ab"
  name       = "sonarr"
}
