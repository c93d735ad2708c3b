# What is refused before anything is deployed, each with an error that names the way out.

variables {
  model_uuid     = "8a1c2e3f-0000-4000-8000-1f2e3d4c5b6a"
  apps           = { radarr = { published_as = "my-radarr" } }
  s3_credentials = { access_key = "backups", secret_key = "not-a-secret" }
}

run "no_node_agent" {
  command = plan
  variables {
    velero_operator = { config = { use-node-agent = "false" } }
  }
  expect_failures = [var.velero_operator]
}

run "an_unknown_charm" {
  command = plan
  variables {
    apps = { films = { published_as = "my-radarr" } }
  }
  expect_failures = [var.apps]
}

run "nothing_to_back_up" {
  command = plan
  variables {
    apps = { flaresolverr = { published_as = "my-flaresolverr" } }
  }
  expect_failures = [var.apps]
}

run "a_name_twice" {
  command = plan
  variables {
    apps = { minio = { charm = "radarr", published_as = "my-radarr" } }
  }
  expect_failures = [var.apps]
}

run "a_bucket_that_s3_integrator_refuses" {
  command = plan
  variables {
    s3 = { bucket = "My_Backups" }
  }
  expect_failures = [var.s3]
}

run "an_endpoint_without_a_scheme" {
  command = plan
  variables {
    s3 = { endpoint = "s3.example.org" }
  }
  expect_failures = [var.s3]
}

run "no_region" {
  command = plan
  variables {
    s3 = { endpoint = "https://s3.example.org", region = "" }
  }
  expect_failures = [var.s3]
}

run "an_uri_style_of_others" {
  command = plan
  variables {
    s3 = { uri_style = "host" }
  }
  expect_failures = [var.s3]
}

run "a_path_with_slashes" {
  command = plan
  variables {
    s3 = { path = "/house" }
  }
  expect_failures = [var.s3]
}

run "a_key_that_is_a_number" {
  command = plan
  variables {
    s3_credentials = { access_key = "backups", secret_key = "1234567890" }
  }
  expect_failures = [var.s3_credentials]
}

run "no_key" {
  command = plan
  variables {
    s3_credentials = { access_key = "", secret_key = "not-a-secret" }
  }
  expect_failures = [var.s3_credentials]
}

run "keys_that_are_too_short_for_minio" {
  command = plan
  variables {
    s3_credentials = { access_key = "backups", secret_key = "secret" }
  }
  expect_failures = [var.s3_credentials]
}

run "keys_of_minio_said_twice" {
  command = plan
  variables {
    minio = { config = { access-key = "other" } }
  }
  expect_failures = [var.minio]
}

run "s3_integrator_of_track_1" {
  command = plan
  variables {
    s3_integrator = { channel = "1/stable" }
  }
  expect_failures = [var.s3_integrator]
}

run "a_storage_said_twice" {
  command = plan
  variables {
    s3_integrator = { config = { bucket = "other" } }
  }
  expect_failures = [var.s3_integrator]
}

run "a_certificate_that_goes_nowhere" {
  command = plan
  variables {
    s3_integrator = { config = { tls-ca-chain = "LS0t" } }
  }
  expect_failures = [var.s3_integrator]
}
