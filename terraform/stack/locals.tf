locals {
  charms = jsondecode(file("${path.module}/../app/charms.json"))

  # Which charm each application is of. An unknown one has no endpoints, so that only the validation of `apps` complains.
  charm_of = { for name, app in var.apps : name => coalesce(app.charm, name) }
  provides = { for name, charm in local.charm_of : name => keys(try(local.charms[charm].provides, {})) }

  # Those that this plan deploys, those that `juju deploy` did, and those that ask for backups.
  deployed  = { for name, app in var.apps : name => app if app.published_as != null }
  by_hand   = toset([for name, app in var.apps : name if app.published_as == null])
  backed_up = toset([for name, endpoints in local.provides : name if contains(endpoints, "velero-backup-config")])

  has_minio   = var.s3.endpoint == null
  minio_port  = lookup(var.minio.config, "port", "9000")
  s3_endpoint = local.has_minio ? "http://${var.minio.app_name}.${one(data.juju_model.this[*].name)}.svc.cluster.local:${local.minio_port}" : var.s3.endpoint
}
