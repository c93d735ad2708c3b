variable "apps" {
  description = <<-EOT
    The apps, by the name of their application. `charm`: which of charms.json it is, if not that of its name. `published_as`: name on Charmhub under
    which you published the charm; without it the application is one that `juju deploy` has deployed already, and only its relation is made here.
    The others are as in the module `app`, and mean something only together with `published_as`.
  EOT
  type = map(object({
    charm              = optional(string)
    published_as       = optional(string)
    base               = optional(string)
    channel            = optional(string)
    revision           = optional(number)
    config             = optional(map(string), {})
    constraints        = optional(string)
    resources          = optional(map(string), {})
    storage_directives = optional(map(string), {})
    trust              = optional(bool, true)
    units              = optional(number, 1)
  }))
  nullable = false

  # A validation may not look at locals that are made of its own variable.
  validation {
    condition     = alltrue([for name, app in var.apps : contains(keys(local.charms), coalesce(app.charm, name))])
    error_message = "There is no charm ${join(", ", setsubtract([for name, app in var.apps : coalesce(app.charm, name)], keys(local.charms)))} here. There are: ${join(", ", keys(local.charms))}. If an application has another name than its charm, say charm = \"…\"."
  }

  validation {
    condition     = length([for name, app in var.apps : name if contains(keys(try(local.charms[coalesce(app.charm, name)].provides, {})), "velero-backup-config")]) > 0
    error_message = "None of the apps has anything to back up."
  }

  validation {
    condition = alltrue([
      for app in values(var.apps) : app.published_as != null || (
        app.channel == null && app.revision == null && app.base == null && app.constraints == null
        && length(app.config) == 0 && length(app.resources) == 0 && length(app.storage_directives) == 0 && app.trust && app.units == 1
      )
    ])
    error_message = "An app without published_as is deployed by `juju deploy`: set its options, resources, storage and units there."
  }

  validation {
    condition     = length(setintersection(keys(var.apps), [var.velero_operator.app_name, var.s3_integrator.app_name, var.minio.app_name])) == 0
    error_message = "An app has the name of velero-operator's, s3-integrator's or MinIO's application: give one of them another app_name."
  }
}

variable "minio" {
  description = "MinIO, where it is deployed. `config` may not hold the keys, which come from s3_credentials."
  type = object({
    app_name           = optional(string, "minio")
    base               = optional(string)
    channel            = optional(string, "ckf-1.10/stable")
    config             = optional(map(string), {})
    constraints        = optional(string)
    resources          = optional(map(string), {})
    revision           = optional(number)
    storage_directives = optional(map(string), { minio-data = "100G" })
  })
  default  = {}
  nullable = false

  validation {
    condition     = length(setintersection(keys(var.minio.config), ["access-key", "secret-key"])) == 0
    error_message = "MinIO's keys come from s3_credentials: leave access-key and secret-key out of minio.config."
  }
}

variable "model_uuid" {
  description = "UUID of the model to deploy to: `juju show-model` prints it."
  type        = string
}

variable "s3" {
  description = "The object storage that backups are kept in. With `endpoint` it is that one; without, MinIO is deployed into the model. s3-integrator makes the bucket if it is not there and the keys allow it."
  type = object({
    bucket    = optional(string, "charmarr-backups")
    endpoint  = optional(string)
    path      = optional(string, "")
    region    = optional(string, "us-east-1")
    uri_style = optional(string, "path")
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.s3.bucket))
    error_message = "s3.bucket must have 3 to 63 small letters, digits and hyphens, and no hyphen at either end: s3-integrator takes no other."
  }

  validation {
    condition     = var.s3.endpoint == null || can(regex("^https?://[^/]+$", var.s3.endpoint))
    error_message = "s3.endpoint must be like https://s3.example.org or http://10.0.0.5:9000, without a path; leave it out for MinIO in the model."
  }

  validation {
    condition     = var.s3.region != ""
    error_message = "s3.region must not be empty: velero-operator takes no storage without one. us-east-1 suits servers that know no regions."
  }

  validation {
    condition     = contains(["path", "virtual"], var.s3.uri_style)
    error_message = "s3.uri_style must be \"path\" or \"virtual\": velero-operator knows no other."
  }

  validation {
    condition     = !startswith(var.s3.path, "/") && !endswith(var.s3.path, "/")
    error_message = "s3.path must not begin or end with \"/\"."
  }
}

variable "s3_credentials" {
  description = "Keys of the object storage. Raise `version` when you change them: they are not kept in the state, so nothing else tells. With MinIO in the model they become its own, as options, and those are in the state."
  type = object({
    access_key = string
    secret_key = string
    version    = optional(number, 1)
  })
  sensitive = true
  nullable  = false

  validation {
    condition     = var.s3_credentials.access_key != "" && var.s3_credentials.secret_key != ""
    error_message = "s3_credentials must have both keys."
  }

  validation {
    condition     = !can(tonumber(var.s3_credentials.access_key)) && !can(tonumber(var.s3_credentials.secret_key))
    error_message = "A key of s3_credentials is a number: velero-operator would read it as one, and refuse it. Make one with letters in it."
  }

  validation {
    condition     = var.s3.endpoint != null || (length(var.s3_credentials.access_key) >= 3 && length(var.s3_credentials.secret_key) >= 8)
    error_message = "MinIO wants an access_key of 3 and a secret_key of 8 characters at least."
  }
}

variable "s3_integrator" {
  description = "s3-integrator: of track 2, which takes the keys as a secret. What s3 says goes into its options."
  type = object({
    app_name    = optional(string, "s3-integrator")
    base        = optional(string)
    channel     = optional(string, "2/stable")
    config      = optional(map(string), {})
    constraints = optional(string)
    revision    = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = startswith(var.s3_integrator.channel, "2/")
    error_message = "s3_integrator.channel must be of track 2: track 1 takes the keys by an action, which no plan can run."
  }

  validation {
    condition     = length(setintersection(keys(var.s3_integrator.config), ["bucket", "credentials", "endpoint", "path", "region", "s3-uri-style"])) == 0
    error_message = "bucket, endpoint, path, region and s3-uri-style are said by the variable s3, credentials by s3_credentials: leave them out of s3_integrator.config."
  }

  validation {
    condition     = !contains(keys(var.s3_integrator.config), "tls-ca-chain")
    error_message = "velero-operator hands no certificate on to Velero: the endpoint needs one of a public authority, or plain HTTP inside of your network."
  }
}

variable "velero_operator" {
  description = "velero-operator. It always has use-node-agent=true, without which backups by file system hold nothing, and one unit."
  type = object({
    app_name    = optional(string, "velero-operator")
    base        = optional(string)
    channel     = optional(string)
    config      = optional(map(string), {})
    constraints = optional(string)
    revision    = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = lookup(var.velero_operator.config, "use-node-agent", "true") == "true"
    error_message = "velero_operator.config has use-node-agent other than \"true\": backups by file system would hold nothing. Leave it out."
  }
}
