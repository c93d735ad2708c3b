# Without an endpoint MinIO is deployed into the model.

variables {
  model_uuid = "8a1c2e3f-0000-4000-8000-1f2e3d4c5b6a"
  apps = {
    radarr       = { published_as = "my-radarr", storage_directives = { config = "5G" } }
    films        = { charm = "plex", published_as = "my-plex", storage_directives = { config = "20G" }, config = { server-name = "Films" } }
    flaresolverr = { published_as = "my-flaresolverr", units = 2 }
  }
  s3_credentials = { access_key = "backups", secret_key = "not-a-secret" }
}

run "all_of_it" {
  assert {
    condition     = output.applications.minio == "minio" && output.object_storage.endpoint == "http://minio.media.svc.cluster.local:9000"
    error_message = "MinIO is there, and its address has the model's name: ${output.object_storage.endpoint}"
  }
  assert {
    condition     = output.object_storage.bucket == "charmarr-backups" && juju_application.s3_integrator.config.bucket == "charmarr-backups"
    error_message = "the bucket is charmarr-backups"
  }
  assert {
    condition     = juju_application.velero_operator.config.use-node-agent == "true"
    error_message = "without the node agent backups hold nothing"
  }
  assert {
    condition     = juju_application.velero_operator.trust && juju_application.minio[0].trust && module.app["radarr"].application.trust
    error_message = "velero-operator, MinIO and the apps need trust"
  }
  assert {
    condition     = join(",", output.backed_up) == "films,radarr" && join(",", keys(juju_integration.backups)) == "films,radarr"
    error_message = "flaresolverr has nothing to back up"
  }
  assert {
    condition     = juju_integration.backups["films"].id == "${var.model_uuid}:films:velero-backup-config:velero-operator:velero-backups"
    error_message = "the app provides, velero-operator requires: ${juju_integration.backups["films"].id}"
  }
  assert {
    condition     = juju_integration.storage.id == "${var.model_uuid}:s3-integrator:s3-credentials:velero-operator:s3-credentials"
    error_message = "s3-integrator provides, velero-operator requires: ${juju_integration.storage.id}"
  }
  assert {
    condition     = juju_application.s3_integrator.config.credentials == juju_secret.s3.secret_uri && one(juju_access_secret.s3.applications) == "s3-integrator"
    error_message = "s3-integrator is told of the secret, and it is granted"
  }
  assert {
    condition     = juju_secret.s3.value == null && juju_secret.s3.value_wo == null
    error_message = "the secret's values are in the state"
  }
  assert {
    condition     = output.first_backup.films == "juju run films/leader backup-now"
    error_message = "the next step is said"
  }
  assert {
    condition     = output.apps["films"].requires.media_storage == "media-storage" && output.apps["flaresolverr"].requires.logging == "logging"
    error_message = "endpoints of the apps, for further relations"
  }
}

# An app more, another one gone, and a volume that stays.
run "later_changes" {
  variables {
    apps = {
      radarr = { published_as = "my-radarr", storage_directives = { config = "50G" } }
      sonarr = { published_as = "my-sonarr", storage_directives = { config = "5G" } }
    }
    minio = { storage_directives = { minio-data = "500G" } }
  }
  assert {
    condition     = join(",", output.backed_up) == "radarr,sonarr"
    error_message = "relations follow the apps"
  }
  assert {
    condition     = module.app["radarr"].application.storage.config == "5G" && juju_application.minio[0].storage_directives.minio-data == "100G"
    error_message = "an application was replaced, and its volume with it"
  }
}

run "new_keys" {
  variables {
    apps           = { radarr = { published_as = "my-radarr", storage_directives = { config = "5G" } } }
    s3_credentials = { access_key = "backups", secret_key = "another-one", version = 2 }
  }
  assert {
    condition     = juju_secret.s3.value_wo_version == 2 && juju_application.s3_integrator.config.credentials == juju_secret.s3.secret_uri
    error_message = "the same secret has the new keys"
  }
}
