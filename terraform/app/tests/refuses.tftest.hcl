# What is refused before anything is deployed.

variables {
  model_uuid   = "8a1c2e3f-0000-4000-8000-1f2e3d4c5b6a"
  charm        = "radarr"
  published_as = "my-radarr"
}

run "an_unknown_charm" {
  command = plan
  variables {
    charm = "radar"
  }
  expect_failures = [var.charm]
}

run "an_option_of_another_app" {
  command = plan
  variables {
    config = { claim-token = "claim-x" }
  }
  expect_failures = [var.config]
}

run "a_resource_of_another_app" {
  command = plan
  variables {
    resources = { plex-image = "x" }
  }
  expect_failures = [var.resources]
}

run "a_storage_that_is_not_there" {
  command = plan
  variables {
    storage_directives = { data = "5G" }
  }
  expect_failures = [var.storage_directives]
}

run "no_units" {
  command = plan
  variables {
    units = 0
  }
  expect_failures = [var.units]
}

run "half_a_unit" {
  command = plan
  variables {
    units = 1.5
  }
  expect_failures = [var.units]
}
