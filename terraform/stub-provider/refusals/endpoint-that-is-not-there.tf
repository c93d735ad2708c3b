# Refused: there is no endpoint "backup"
terraform {
  required_providers {
    juju = { source = "juju/juju" }
  }
}

resource "juju_integration" "this" {
  model_uuid = "0b57f0a4-0000-4000-8000-0123456789ab"

  application {
    name     = "radarr"
    endpoint = "backup"
  }

  application {
    name     = "films"
    endpoint = "velero-backup-config"
  }
}
