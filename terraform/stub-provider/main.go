// A stand-in for the juju provider, for the tests of the modules beside it: no Juju, no network.
//
// Its schemas are written from the documentation of the provider's release 2.3, with every attribute of the resources that the modules use,
// so what OpenTofu refuses there it refuses here. What Juju itself would refuse (an option that a charm has not, an endpoint, a storage that
// is too small) is refused from the charms' own metadata, when the resource is made, as a real one does.
package main

import (
	"context"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
)

// address is the one that `source = "juju/juju"` means to OpenTofu.
const address = "registry.opentofu.org/juju/juju"

func main() {
	if err := providerserver.Serve(context.Background(), newProvider, providerserver.ServeOpts{Address: address}); err != nil {
		log.Fatal(err)
	}
}
