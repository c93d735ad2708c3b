package main

import (
	"context"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
)

// Where the stub finds what a real provider asks Charmhub and Juju for. The environment says it, since a module's provider block has to be one
// that the real provider takes too.
const (
	charmhubVariable = "JUJU_STUB_CHARMHUB"
	modelsVariable   = "JUJU_STUB_MODELS"
)

type stub struct{}

func newProvider() provider.Provider { return stub{} }

func (stub) Metadata(_ context.Context, _ provider.MetadataRequest, response *provider.MetadataResponse) {
	response.TypeName = "juju"
}

func (stub) Schema(_ context.Context, _ provider.SchemaRequest, response *provider.SchemaResponse) {
	response.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"ca_certificate":       schema.StringAttribute{Optional: true},
		"client_id":            schema.StringAttribute{Optional: true},
		"client_secret":        schema.StringAttribute{Optional: true, Sensitive: true},
		"controller_addresses": schema.StringAttribute{Optional: true},
		"controller_mode":      schema.BoolAttribute{Optional: true},
		"password":             schema.StringAttribute{Optional: true, Sensitive: true},
		"skip_failed_deletion": schema.BoolAttribute{Optional: true},
		"username":             schema.StringAttribute{Optional: true},
	}}
}

func (stub) Configure(_ context.Context, _ provider.ConfigureRequest, response *provider.ConfigureResponse) {
	juju, err := open(os.Getenv(charmhubVariable), os.Getenv(modelsVariable))
	if err != nil {
		response.Diagnostics.AddError("cannot use the stub of the juju provider", err.Error())
		return
	}
	response.ResourceData = juju
	response.DataSourceData = juju
}

func (stub) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{
		func() resource.Resource { return &applicationResource{} },
		func() resource.Resource { return &integrationResource{} },
		func() resource.Resource { return &secretResource{} },
		func() resource.Resource { return &accessSecretResource{} },
	}
}

func (stub) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{
		func() datasource.DataSource { return &modelSource{} },
		func() datasource.DataSource { return &applicationSource{} },
	}
}
