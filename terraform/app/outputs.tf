output "application" {
  description = "The application: its name, model, charm, options, storage and units."
  value = {
    name       = juju_application.this.name
    model_uuid = juju_application.this.model_uuid
    charm      = juju_application.this.charm[0]
    config     = juju_application.this.config
    storage    = juju_application.this.storage_directives
    trust      = juju_application.this.trust
    units      = juju_application.this.units
  }
}

output "provides" {
  description = "Endpoints that the charm provides, by name with underscores, for juju_integration."
  value       = { for name in keys(local.charm.provides) : replace(name, "-", "_") => name }
}

output "requires" {
  description = "Endpoints that the charm requires, by name with underscores, for juju_integration."
  value       = { for name in keys(local.charm.requires) : replace(name, "-", "_") => name }
}
