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

// is says whether an integration of the model is the one of this state.
func (m *integrationModel) is(other integration) bool {
	return other.id(m.ModelUUID.ValueString()) == m.ID.ValueString()
}

func (r *integrationResource) Create(ctx context.Context, request resource.CreateRequest, response *resource.CreateResponse) {
	plan, ok := taken[integrationModel](ctx, request.Plan, &response.Diagnostics)
	if !ok {
		return
	}
	ok = r.do(plan.ModelUUID, "cannot integrate", &response.Diagnostics, func(m *model) error {
		sides, err := plan.sides()
		if err != nil {
			return err
		}
		made, err := r.juju.integrate(m, sides)
		plan.ID = types.StringValue(made.id(plan.ModelUUID.ValueString()))
		return err
	})
	if ok {
		response.Diagnostics.Append(response.State.Set(ctx, &plan)...)
	}
}

func (r *integrationResource) Read(ctx context.Context, request resource.ReadRequest, response *resource.ReadResponse) {
	state, ok := taken[integrationModel](ctx, request.State, &response.Diagnostics)
	if !ok {
		return
	}
	r.read(ctx, state.ModelUUID, "cannot read the integration", response, func(m *model) bool {
		return slices.ContainsFunc(m.Integrations, state.is)
	})
}

// Update has only `via` to take: everything else makes a new one.
func (r *integrationResource) Update(ctx context.Context, request resource.UpdateRequest, response *resource.UpdateResponse) {
	if plan, ok := taken[integrationModel](ctx, request.Plan, &response.Diagnostics); ok {
		response.Diagnostics.Append(response.State.Set(ctx, &plan)...)
	}
}

func (r *integrationResource) Delete(ctx context.Context, request resource.DeleteRequest, response *resource.DeleteResponse) {
	state, ok := taken[integrationModel](ctx, request.State, &response.Diagnostics)
	if !ok {
		return
	}
	r.do(state.ModelUUID, "cannot remove the integration", &response.Diagnostics, func(m *model) error {
		m.Integrations = slices.DeleteFunc(m.Integrations, state.is)
		return nil
	})
}
