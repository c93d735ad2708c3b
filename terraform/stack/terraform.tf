terraform {
  # Validations look at other variables, and the keys of the object storage go by an argument that is only written.
  required_version = ">= 1.11"

  required_providers {
    juju = {
      source  = "juju/juju"
      version = "~> 2.2"
    }
  }
}
