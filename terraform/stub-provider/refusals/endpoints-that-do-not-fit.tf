# Refused: radarr:media-storage and films:velero-backup-config do not fit together
terraform {
  required_providers {
    juju = { source = "juju/juju" }
  }
}

resource "juju_integration" "this" {
  model_uuid = "0b57f0a4-0000-4000-8000-0123456789ab"

  application {
    name     = "radarr"
    endpoint = "media-storage"
  }

  application {
    name     = "films"
    endpoint = "velero-backup-config"
  }
}
