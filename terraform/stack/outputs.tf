output "applications" {
  description = "Names of the applications: of velero-operator, s3-integrator, MinIO if it is deployed, and of the apps."
  value = {
    velero_operator = juju_application.velero_operator.name
    s3_integrator   = juju_application.s3_integrator.name
    minio           = one(juju_application.minio[*].name)
    apps            = sort(keys(var.apps))
  }
}

output "apps" {
  description = "Of each app its endpoints, for juju_integration: ingress, media-storage, metrics-endpoint and others."
  value = {
    for name, charm in local.charm_of : name => {
      provides = { for endpoint in keys(local.charms[charm].provides) : replace(endpoint, "-", "_") => endpoint }
      requires = { for endpoint in keys(local.charms[charm].requires) : replace(endpoint, "-", "_") => endpoint }
    }
  }
}

output "backed_up" {
  description = "Names of the apps that ask velero-operator for backups."
  value       = sort(local.backed_up)
  depends_on  = [juju_integration.backups]
}

output "first_backup" {
  description = "For each of them the command that makes the first backup, and says what it holds."
  value       = { for name in local.backed_up : name => "juju run ${name}/leader backup-now" }
  depends_on  = [juju_integration.backups]
}

output "object_storage" {
  description = "Where the backups are."
  value       = { endpoint = local.s3_endpoint, bucket = var.s3.bucket, path = var.s3.path }
}
