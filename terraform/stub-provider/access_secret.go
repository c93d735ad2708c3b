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

func (r *accessSecretResource) Configure(_ context.Context, request resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	r.take(request.ProviderData)
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
func (r *accessSecretResource) grant(ctx context.Context, plan *accessSecretModel) diag.Diagnostics {
	var applications []string
	diagnostics := plan.Applications.ElementsAs(ctx, &applications, false)
	if diagnostics.HasError() {
		return diagnostics
	}
	id := plan.SecretID.ValueString()
	err := r.juju.with(plan.ModelUUID.ValueString(), func(m *model) error {
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
	if err != nil {
		diagnostics.AddError("cannot grant the secret", err.Error())
	}
	plan.ID = types.StringValue(plan.ModelUUID.ValueString() + ":" + id)
	return diagnostics
}

func (r *accessSecretResource) Create(ctx context.Context, request resource.CreateRequest, response *resource.CreateResponse) {
	var plan accessSecretModel
	response.Diagnostics.Append(request.Plan.Get(ctx, &plan)...)
	if response.Diagnostics.HasError() {
		return
	}
	response.Diagnostics.Append(r.grant(ctx, &plan)...)
	if !response.Diagnostics.HasError() {
		response.Diagnostics.Append(response.State.Set(ctx, &plan)...)
	}
}

func (r *accessSecretResource) Read(ctx context.Context, request resource.ReadRequest, response *resource.ReadResponse) {
	var state accessSecretModel
	response.Diagnostics.Append(request.State.Get(ctx, &state)...)
	if response.Diagnostics.HasError() {
		return
	}
	found := false
	err := r.juju.with(state.ModelUUID.ValueString(), func(m *model) error {
		_, found = m.Secrets[state.SecretID.ValueString()]
		return nil
	})
	if err != nil {
		response.Diagnostics.AddError("cannot read the grant", err.Error())
	} else if !found {
		response.State.RemoveResource(ctx)
	}
}

func (r *accessSecretResource) Update(ctx context.Context, request resource.UpdateRequest, response *resource.UpdateResponse) {
	var plan accessSecretModel
	response.Diagnostics.Append(request.Plan.Get(ctx, &plan)...)
	if response.Diagnostics.HasError() {
		return
	}
	response.Diagnostics.Append(r.grant(ctx, &plan)...)
	if !response.Diagnostics.HasError() {
		response.Diagnostics.Append(response.State.Set(ctx, &plan)...)
	}
}

func (r *accessSecretResource) Delete(ctx context.Context, request resource.DeleteRequest, response *resource.DeleteResponse) {
	var state accessSecretModel
	response.Diagnostics.Append(request.State.Get(ctx, &state)...)
	if response.Diagnostics.HasError() {
		return
	}
	id := state.SecretID.ValueString()
	err := r.juju.with(state.ModelUUID.ValueString(), func(m *model) error {
		if kept, ok := m.Secrets[id]; ok {
			kept.Grants = []string{}
			m.Secrets[id] = kept
		}
		return nil
	})
	if err != nil {
		response.Diagnostics.AddError("cannot revoke the secret", err.Error())
	}
}
