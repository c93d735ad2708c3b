package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

type accessSecretResource struct{ shared }

type accessSecretModel struct {
	ID           types.String `tfsdk:"id"`
	ModelUUID    types.String `tfsdk:"model_uuid"`
	SecretID     types.String `tfsdk:"secret_id"`
	Applications types.Set    `tfsdk:"applications"`
}

func (*accessSecretResource) Metadata(_ context.Context, _ resource.MetadataRequest, response *resource.MetadataResponse) {
	response.TypeName = "juju_access_secret"
}

// Schema is that of the provider's docs/resources/access_secret.md.
func (*accessSecretResource) Schema(_ context.Context, _ resource.SchemaRequest, response *resource.SchemaResponse) {
	replaces := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	response.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":           schema.StringAttribute{Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()}},
		"model_uuid":   schema.StringAttribute{Required: true, PlanModifiers: replaces, Validators: []validator.String{isUUID{}}},
		"secret_id":    schema.StringAttribute{Required: true, PlanModifiers: replaces},
		"applications": schema.SetAttribute{Required: true, ElementType: types.StringType},
	}}
}

// grant gives the secret to the applications of the plan, and to no others.
func (r *accessSecretResource) grant(ctx context.Context, from tfsdk.Plan, state *tfsdk.State, told *diag.Diagnostics) {
	plan, ok := taken[accessSecretModel](ctx, from, told)
	if !ok {
		return
	}
	var applications []string
	told.Append(plan.Applications.ElementsAs(ctx, &applications, false)...)
	if told.HasError() {
		return
	}
	id := plan.SecretID.ValueString()
	ok = r.do(plan.ModelUUID, "cannot grant the secret", told, func(m *model) error {
		kept, ok := m.Secrets[id]
		if !ok {
			return fmt.Errorf("secret %q %w", id, errGone)
		}
		for _, application := range applications {
			if _, ok := m.Applications[application]; !ok {
				return fmt.Errorf("application %q %w", application, errGone)
			}
		}
		kept.Grants = applications
		m.Secrets[id] = kept
		return nil
	})
	if ok {
		plan.ID = types.StringValue(plan.ModelUUID.ValueString() + ":" + id)
		told.Append(state.Set(ctx, &plan)...)
	}
}

func (r *accessSecretResource) Create(ctx context.Context, request resource.CreateRequest, response *resource.CreateResponse) {
	r.grant(ctx, request.Plan, &response.State, &response.Diagnostics)
}

func (r *accessSecretResource) Read(ctx context.Context, request resource.ReadRequest, response *resource.ReadResponse) {
	state, ok := taken[accessSecretModel](ctx, request.State, &response.Diagnostics)
	if !ok {
		return
	}
	r.read(ctx, state.ModelUUID, "cannot read the grant", response, func(m *model) bool { return m.hasSecret(state.SecretID) })
}

func (r *accessSecretResource) Update(ctx context.Context, request resource.UpdateRequest, response *resource.UpdateResponse) {
	r.grant(ctx, request.Plan, &response.State, &response.Diagnostics)
}

func (r *accessSecretResource) Delete(ctx context.Context, request resource.DeleteRequest, response *resource.DeleteResponse) {
	state, ok := taken[accessSecretModel](ctx, request.State, &response.Diagnostics)
	if !ok {
		return
	}
	id := state.SecretID.ValueString()
	r.do(state.ModelUUID, "cannot revoke the secret", &response.Diagnostics, func(m *model) error {
		if kept, ok := m.Secrets[id]; ok {
			kept.Grants = []string{}
			m.Secrets[id] = kept
		}
		return nil
	})
}
