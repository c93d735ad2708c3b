# What the module makes of its variables, on the stub of the provider.

variables {
  model_uuid   = "8a1c2e3f-0000-4000-8000-1f2e3d4c5b6a"
  charm        = "radarr"
  published_as = "my-radarr"
}

run "defaults" {
  assert {
    condition     = output.application.name == "radarr" && output.application.units == 1
    error_message = "one unit, named as the charm"
  }
  assert {
    condition     = output.application.trust
    error_message = "without trust there is no restore"
  }
  assert {
    condition     = length(output.application.config) == 0
    error_message = "the charm's own defaults are not written over"
  }
  assert {
    condition     = output.provides.velero_backup_config == "velero-backup-config" && output.requires.media_storage == "media-storage"
    error_message = "endpoints are given by name"
  }
  assert {
    condition     = !contains(keys(output.provides), "peers") && !contains(keys(output.requires), "peers")
    error_message = "peers are nobody else's"
  }
}

run "everything_said" {
  variables {
    app_name           = "films"
    channel            = "latest/edge"
    revision           = 7
    base               = "ubuntu@24.04"
    constraints        = "mem=2G"
    config             = { backup-schedule = "0 3 * * *", timezone = "Europe/Berlin" }
    resources          = { radarr-image = "lscr.io/linuxserver/radarr:6.1.1.10360-ls299" }
    storage_directives = { config = "kubernetes,5G" }
    trust              = false
    units              = 2
  }
  assert {
    condition     = output.application.name == "films" && output.application.units == 2 && !output.application.trust
    error_message = "name, units and trust are as said"
  }
  assert {
    condition     = output.application.charm.channel == "latest/edge" && output.application.charm.revision == 7
    error_message = "channel and revision are as said"
  }
  assert {
    condition     = output.application.config.backup-schedule == "0 3 * * *" && output.application.storage.config == "kubernetes,5G"
    error_message = "options and storage are as said"
  }
}

# With the size or the constraints of a deployed application changed, the provider would remove it with its volume.
run "volume_stays_when_the_plan_changes" {
  variables {
    app_name           = "films"
    constraints        = "mem=8G"
    storage_directives = { config = "50G" }
  }
  assert {
    condition     = output.application.storage.config == "kubernetes,5G" && juju_application.this.constraints == "mem=2G"
    error_message = "the application was replaced, and its volume with it"
  }
  assert {
    condition     = output.application.units == 1
    error_message = "what can be changed is changed"
  }
}

run "an_app_without_a_volume" {
  variables {
    charm        = "flaresolverr"
    published_as = "my-flaresolverr"
    units        = 3
  }
  assert {
    condition     = !contains(keys(output.provides), "velero_backup_config") && output.application.units == 3
    error_message = "it has nothing to back up, and as many units as one likes"
  }
}
