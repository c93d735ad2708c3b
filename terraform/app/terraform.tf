terraform {
  # Validations look at other variables and at locals.
  required_version = ">= 1.11"

  required_providers {
    juju = {
      source = "juju/juju"
      # The first of version 2 whose documentation was read for these modules.
      version = "~> 2.2"
    }
  }
}
