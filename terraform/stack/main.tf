# Only MinIO's address needs the model's name: it is its namespace.
data "juju_model" "this" {
  count = local.has_minio ? 1 : 0
  uuid  = var.model_uuid
}

# Applications that `juju deploy` has deployed: one that is not there fails the plan.
data "juju_application" "by_hand" {
  for_each   = local.by_hand
  model_uuid = var.model_uuid
  name       = each.key
}

module "app" {
  source   = "../app"
  for_each = local.deployed

  app_name           = each.key
  base               = each.value.base
  channel            = each.value.channel
  charm              = local.charm_of[each.key]
  config             = each.value.config
  constraints        = each.value.constraints
  model_uuid         = var.model_uuid
  published_as       = each.value.published_as
  resources          = each.value.resources
  revision           = each.value.revision
  storage_directives = each.value.storage_directives
  trust              = each.value.trust
  units              = each.value.units
}

resource "juju_application" "velero_operator" {
  name       = var.velero_operator.app_name
  model_uuid = var.model_uuid

  charm {
    name     = "velero-operator"
    base     = var.velero_operator.base
    channel  = var.velero_operator.channel
    revision = var.velero_operator.revision
  }

  config      = merge(var.velero_operator.config, { use-node-agent = "true" })
  constraints = var.velero_operator.constraints
  trust       = true
  # Each unit of velero-operator does the whole work, whichever leads.
  units = 1

  lifecycle {
    # The provider would remove and deploy it anew. When velero-operator is removed it takes Velero's definitions along, and with them what Velero knows.
    ignore_changes = [constraints]
  }
}

resource "juju_application" "minio" {
  count      = local.has_minio ? 1 : 0
  name       = var.minio.app_name
  model_uuid = var.model_uuid

  charm {
    name     = "minio"
    base     = var.minio.base
    channel  = var.minio.channel
    revision = var.minio.revision
  }

  config = merge(var.minio.config, {
    access-key = var.s3_credentials.access_key
    secret-key = var.s3_credentials.secret_key
  })
  constraints        = var.minio.constraints
  resources          = var.minio.resources
  storage_directives = var.minio.storage_directives
  trust              = true
  units              = 1

  lifecycle {
    # The provider would remove it, with all backups.
    ignore_changes = [constraints, storage_directives]
  }
}

resource "juju_secret" "s3" {
  model_uuid = var.model_uuid
  name       = "${var.s3_integrator.app_name}-keys"
  info       = "Keys of the object storage for backups"
  value_wo = {
    access-key = var.s3_credentials.access_key
    secret-key = var.s3_credentials.secret_key
  }
  value_wo_version = var.s3_credentials.version
}

resource "juju_access_secret" "s3" {
  model_uuid   = var.model_uuid
  secret_id    = juju_secret.s3.secret_id
  applications = [juju_application.s3_integrator.name]
}

resource "juju_application" "s3_integrator" {
  name       = var.s3_integrator.app_name
  model_uuid = var.model_uuid

  charm {
    name     = "s3-integrator"
    base     = var.s3_integrator.base
    channel  = var.s3_integrator.channel
    revision = var.s3_integrator.revision
  }

  config = merge(var.s3_integrator.config, {
    bucket       = var.s3.bucket
    credentials  = juju_secret.s3.secret_uri
    endpoint     = local.s3_endpoint
    path         = var.s3.path
    region       = var.s3.region
    s3-uri-style = var.s3.uri_style
  })
  constraints = var.s3_integrator.constraints
  units       = 1
}

resource "juju_integration" "storage" {
  model_uuid = var.model_uuid

  application {
    name     = juju_application.velero_operator.name
    endpoint = "s3-credentials"
  }

  application {
    name     = juju_application.s3_integrator.name
    endpoint = "s3-credentials"
  }

  # What s3-integrator hands out needs the keys, and it makes the bucket.
  depends_on = [juju_access_secret.s3, juju_application.minio]
}

resource "juju_integration" "backups" {
  for_each   = local.backed_up
  model_uuid = var.model_uuid

  application {
    name     = contains(local.by_hand, each.key) ? data.juju_application.by_hand[each.key].name : module.app[each.key].application.name
    endpoint = "velero-backup-config"
  }

  application {
    name     = juju_application.velero_operator.name
    endpoint = "velero-backups"
  }

  # velero-operator makes Schedules once it has a storage, and restarts Velero at each relation.
  depends_on = [juju_integration.storage]
}
