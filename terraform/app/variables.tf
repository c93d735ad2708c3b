variable "app_name" {
  description = "Name of the application. Null: that of the charm."
  type        = string
  default     = null
}

variable "base" {
  description = "Base to deploy on. Null: the charm's."
  type        = string
  default     = null
}

variable "channel" {
  description = "Channel that the charm is deployed from. Null: the default one of Charmhub."
  type        = string
  default     = null
}

variable "charm" {
  description = "Which of the charms it is: radarr, sonarr, plex, … (the keys of charms.json)."
  type        = string

  validation {
    condition     = contains(keys(local.charms), var.charm)
    error_message = "There is no charm \"${var.charm}\" here. There are: ${join(", ", keys(local.charms))}."
  }
}

variable "config" {
  description = "Options of the charm, as text. Those that are not named keep the charm's default."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.config), keys(local.charm.options))) == 0
    error_message = "${var.charm} has no option ${join(", ", setsubtract(keys(var.config), keys(local.charm.options)))}. It has: ${coalesce(join(", ", keys(local.charm.options)), "none")}."
  }
}

variable "constraints" {
  description = "Constraints of the application, such as \"mem=2G\". Taken when it is deployed, and not changed afterwards."
  type        = string
  default     = null
}

variable "model_uuid" {
  description = "UUID of the model to deploy to: `juju show-model` prints it."
  type        = string
}

variable "published_as" {
  description = "Name on Charmhub under which you published the charm. These charms are on no store, and one that is there under the same name is somebody else's."
  type        = string
}

variable "resources" {
  description = "Resources of the charm: revisions, or images such as { radarr-image = \"lscr.io/linuxserver/radarr:6.1.1.10360-ls299\" }. Those that are not named come with the charm."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.resources), keys(local.charm.resources))) == 0
    error_message = "${var.charm} has no resource ${join(", ", setsubtract(keys(var.resources), keys(local.charm.resources)))}. It has: ${coalesce(join(", ", keys(local.charm.resources)), "none")}."
  }
}

variable "revision" {
  description = "Revision of the charm. Null: the newest of the channel when it is deployed."
  type        = number
  default     = null
}

variable "storage_directives" {
  description = "Storage of the application, such as { config = \"5G\" }: [<pool>,][<count>,]<size>. Taken when it is deployed, and not changed afterwards."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.storage_directives), keys(local.charm.storage))) == 0
    error_message = "${var.charm} has no storage ${join(", ", setsubtract(keys(var.storage_directives), keys(local.charm.storage)))}. It has: ${coalesce(join(", ", keys(local.charm.storage)), "none")}."
  }
}

variable "trust" {
  description = "Whether the charm may look into the cluster. Without it there is no restore, no verified backup and no word of what backups hold."
  type        = bool
  default     = true
  nullable    = false
}

variable "units" {
  description = "Number of units. An app with a config volume runs on one of them: that with the data."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.units >= 1 && floor(var.units) == var.units
    error_message = "units must be a whole number, 1 or more."
  }
}
