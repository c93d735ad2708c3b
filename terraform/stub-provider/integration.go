package main

import (
	"context"
	"errors"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/setplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

type integrationResource struct{ shared }

type integrationModel struct {
	ID          types.String `tfsdk:"id"`
	ModelUUID   types.String `tfsdk:"model_uuid"`
	Via         types.String `tfsdk:"via"`
	Application []sideBlock  `tfsdk:"application"`
}

type sideBlock struct {
	Name     types.String `tfsdk:"name"`
	Endpoint types.String `tfsdk:"endpoint"`
	OfferURL types.String `tfsdk:"offer_url"`
}

func (*integrationResource) Metadata(_ context.Context, _ resource.MetadataRequest, response *resource.MetadataResponse) {
	response.TypeName = "juju_integration"
}

func (r *integrationResource) Configure(_ context.Context, request resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	r.take(request.ProviderData)
}

// Schema is that of the provider's docs/resources/integration.md.
func (*integrationResource) Schema(_ context.Context, _ resource.SchemaRequest, response *resource.SchemaResponse) {
	response.Schema = schema.Schema{
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()}},
			"model_uuid": schema.StringAttribute{
				Required:      true,
				PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
				Validators:    []validator.String{isUUID{}},
			},
			"via": schema.StringAttribute{Optional: true},
		},
		Blocks: map[string]schema.Block{
			"application": schema.SetNestedBlock{
				Validators:    []validator.Set{areTwo{}},
				PlanModifiers: []planmodifier.Set{setplanmodifier.RequiresReplace()},
				NestedObject: schema.NestedBlockObject{Attributes: map[string]schema.Attribute{
					"endpoint":  schema.StringAttribute{Optional: true},
					"name":      schema.StringAttribute{Optional: true},
					"offer_url": schema.StringAttribute{Optional: true},
				}},
			},
		},
	}
}

// sides are the two. The real provider finds an endpoint that is not named, and takes offers; the modules use neither.
func (m *integrationModel) sides() ([2]side, error) {
	var sides [2]side
	for number, block := range m.Application {
		if block.Name.ValueString() == "" || block.Endpoint.ValueString() == "" {
			return sides, errors.New("the stub wants name and endpoint of both applications, and knows no offers")
		}
		sides[number] = side{Application: block.Name.ValueString(), Endpoint: block.Endpoint.ValueString()}
	}
	return sides, nil
}

func (r *integrationResource) Create(ctx context.Context, request resource.CreateRequest, response *resource.CreateResponse) {
	var plan integrationModel
	response.Diagnostics.Append(request.Plan.Get(ctx, &plan)...)
	if response.Diagnostics.HasError() {
		return
	}
	uuid := plan.ModelUUID.ValueString()
	err := r.juju.with(uuid, func(m *model) error {
		sides, err := plan.sides()
		if err != nil {
			return err
		}
		made, err := r.juju.integrate(m, sides)
		plan.ID = types.StringValue(made.id(uuid))
		return err
	})
	if err != nil {
		response.Diagnostics.AddError("cannot integrate", err.Error())
		return
	}
	response.Diagnostics.Append(response.State.Set(ctx, &plan)...)
}

func (r *integrationResource) Read(ctx context.Context, request resource.ReadRequest, response *resource.ReadResponse) {
	var state integrationModel
	response.Diagnostics.Append(request.State.Get(ctx, &state)...)
	if response.Diagnostics.HasError() {
		return
	}
	uuid, found := state.ModelUUID.ValueString(), false
	err := r.juju.with(uuid, func(m *model) error {
		found = slices.ContainsFunc(m.Integrations, func(other integration) bool { return other.id(uuid) == state.ID.ValueString() })
		return nil
	})
	if err != nil {
		response.Diagnostics.AddError("cannot read the integration", err.Error())
	} else if !found {
		response.State.RemoveResource(ctx)
	}
}

// Update has only `via` to take: everything else makes a new one.
func (r *integrationResource) Update(ctx context.Context, request resource.UpdateRequest, response *resource.UpdateResponse) {
	var plan integrationModel
	response.Diagnostics.Append(request.Plan.Get(ctx, &plan)...)
	if !response.Diagnostics.HasError() {
		response.Diagnostics.Append(response.State.Set(ctx, &plan)...)
	}
}

func (r *integrationResource) Delete(ctx context.Context, request resource.DeleteRequest, response *resource.DeleteResponse) {
	var state integrationModel
	response.Diagnostics.Append(request.State.Get(ctx, &state)...)
	if response.Diagnostics.HasError() {
		return
	}
	uuid := state.ModelUUID.ValueString()
	err := r.juju.with(uuid, func(m *model) error {
		m.Integrations = slices.DeleteFunc(m.Integrations, func(other integration) bool { return other.id(uuid) == state.ID.ValueString() })
		return nil
	})
	if err != nil {
		response.Diagnostics.AddError("cannot remove the integration", err.Error())
	}
}
