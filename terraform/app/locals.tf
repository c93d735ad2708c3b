locals {
  # What each charm of charm/apps declares: `cargo xtask generate` writes it.
  charms = jsondecode(file("${path.module}/charms.json"))

  # Empty where there is no such charm, so that only the validation of `charm` complains.
  charm = try(local.charms[var.charm], { options = {}, provides = {}, requires = {}, resources = {}, storage = {} })
}
