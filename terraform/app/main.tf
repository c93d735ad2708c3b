resource "juju_application" "this" {
  name       = coalesce(var.app_name, var.charm)
  model_uuid = var.model_uuid

  charm {
    name     = var.published_as
    base     = var.base
    channel  = var.channel
    revision = var.revision
  }

  config             = var.config
  constraints        = var.constraints
  resources          = var.resources
  storage_directives = var.storage_directives
  trust              = var.trust
  units              = var.units

  lifecycle {
    # For a change of either the provider removes the application, with its volume, and deploys a new one.
    ignore_changes = [constraints, storage_directives]
  }
}
