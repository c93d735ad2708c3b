# With an endpoint that storage is used, and no MinIO deployed. From one to the other is one variable.

variables {
  model_uuid     = "8a1c2e3f-0000-4000-8000-1f2e3d4c5b6a"
  apps           = { radarr = { published_as = "my-radarr" } }
  s3_credentials = { access_key = "KEY", secret_key = "SECRET" }
  s3             = { endpoint = "https://s3.example.org", region = "eu-central-1", path = "house", uri_style = "virtual", bucket = "my-backups" }
}

run "as_said" {
  assert {
    condition     = output.applications.minio == null && length(data.juju_model.this) == 0
    error_message = "MinIO is not deployed, and the model's name is not asked for"
  }
  assert {
    condition = (
      juju_application.s3_integrator.config.endpoint == "https://s3.example.org" && juju_application.s3_integrator.config.region == "eu-central-1"
      && juju_application.s3_integrator.config.path == "house" && juju_application.s3_integrator.config.s3-uri-style == "virtual"
      && juju_application.s3_integrator.config.bucket == "my-backups"
    )
    error_message = "s3-integrator has what was said"
  }
}

run "then_minio" {
  variables {
    s3             = {}
    s3_credentials = { access_key = "backups", secret_key = "not-a-secret", version = 2 }
  }
  assert {
    condition     = juju_application.s3_integrator.config.endpoint == "http://minio.media.svc.cluster.local:9000" && output.applications.minio == "minio"
    error_message = "s3-integrator is told of the new place"
  }
  assert {
    condition     = length(juju_integration.backups) == 1
    error_message = "apps and Velero stay as they are"
  }
}
