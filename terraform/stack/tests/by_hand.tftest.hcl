# Apps that `juju deploy` deployed from a file are only related: the provider deploys no local charm.

variables {
  model_uuid     = "0b57f0a4-0000-4000-8000-0123456789ab"
  s3_credentials = { access_key = "KEY", secret_key = "SECRET" }
  s3             = { endpoint = "https://s3.example.org" }
}

run "related" {
  variables {
    apps = { radarr = {}, films = { charm = "plex" } }
  }
  assert {
    condition     = length(module.app) == 0 && join(",", output.backed_up) == "films,radarr"
    error_message = "nothing of them is deployed, both are related"
  }
  assert {
    condition     = juju_integration.backups["films"].id == "${var.model_uuid}:films:velero-backup-config:velero-operator:velero-backups"
    error_message = "by their own names"
  }
}

run "options_belong_to_juju" {
  command = plan
  variables {
    apps = { radarr = { config = { timezone = "Europe/Berlin" } } }
  }
  expect_failures = [var.apps]
}
