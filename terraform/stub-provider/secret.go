package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

type secretResource struct{ shared }

type secretModel struct {
	ID             types.String `tfsdk:"id"`
	ModelUUID      types.String `tfsdk:"model_uuid"`
	Name           types.String `tfsdk:"name"`
	Info           types.String `tfsdk:"info"`
	Value          types.Map    `tfsdk:"value"`
	ValueWO        types.Map    `tfsdk:"value_wo"`
	ValueWOVersion types.Int64  `tfsdk:"value_wo_version"`
	SecretID       types.String `tfsdk:"secret_id"`
	SecretURI      types.String `tfsdk:"secret_uri"`
}

func (*secretResource) Metadata(_ context.Context, _ resource.MetadataRequest, response *resource.MetadataResponse) {
	response.TypeName = "juju_secret"
}

// Schema is that of the provider's docs/resources/secret.md.
func (*secretResource) Schema(_ context.Context, _ resource.SchemaRequest, response *resource.SchemaResponse) {
	kept := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	response.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id": schema.StringAttribute{Computed: true, PlanModifiers: kept},
		"model_uuid": schema.StringAttribute{
			Required:      true,
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
			Validators:    []validator.String{isUUID{}},
		},
		"name":             schema.StringAttribute{Optional: true},
		"info":             schema.StringAttribute{Optional: true},
		"value":            schema.MapAttribute{Optional: true, Sensitive: true, ElementType: types.StringType},
		"value_wo":         schema.MapAttribute{Optional: true, Sensitive: true, WriteOnly: true, ElementType: types.StringType},
		"value_wo_version": schema.Int64Attribute{Optional: true},
		"secret_id":        schema.StringAttribute{Computed: true, PlanModifiers: kept},
		"secret_uri":       schema.StringAttribute{Computed: true, PlanModifiers: kept},
	}}
}

// ValidateConfig refuses both forms of the value at once, neither, and the one that is not kept without its version.
func (*secretResource) ValidateConfig(ctx context.Context, request resource.ValidateConfigRequest, response *resource.ValidateConfigResponse) {
	config, ok := taken[secretModel](ctx, request.Config, &response.Diagnostics)
	if !ok {
		return
	}
	if config.Value.IsNull() == config.ValueWO.IsNull() {
		response.Diagnostics.AddError("no single value", "one of value and value_wo has to be set")
	}
	if config.ValueWO.IsNull() != config.ValueWOVersion.IsNull() {
		response.Diagnostics.AddError("no version", "value_wo and value_wo_version go together")
	}
}

var keyForm = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)

// keys are those of the secret, which have to be as Juju takes them.
func (m *secretModel) keys(ctx context.Context) ([]string, error) {
	of := texts(ctx, m.Value)
	maps.Copy(of, texts(ctx, m.ValueWO))
	keys := slices.Sorted(maps.Keys(of))
	if len(keys) == 0 {
		return nil, errors.New("a secret has at least one value")
	}
	for _, key := range keys {
		if len(key) < 3 || !keyForm.MatchString(key) {
			return nil, fmt.Errorf("key %q not valid", key)
		}
		if of[key] == "" {
			return nil, fmt.Errorf("value of key %q is empty", key)
		}
	}
	return keys, nil
}

// hasSecret says whether the model has the secret with this id.
func (m *model) hasSecret(id types.String) bool {
	_, found := m.Secrets[id.ValueString()]
	return found
}

func (r *secretResource) Create(ctx context.Context, request resource.CreateRequest, response *resource.CreateResponse) {
	plan, ok := taken[secretModel](ctx, request.Plan, &response.Diagnostics)
	if !ok {
		return
	}
	// What is only written is in the configuration alone.
	config, ok := taken[secretModel](ctx, request.Config, &response.Diagnostics)
	if !ok {
		return
	}
	id := newID()
	ok = r.do(plan.ModelUUID, "cannot add the secret", &response.Diagnostics, func(m *model) error {
		name := plan.Name.ValueString()
		for _, other := range m.Secrets {
			if name != "" && other.Name == name {
				return fmt.Errorf("secret with name %q already exists", name)
			}
		}
		keys, err := config.keys(ctx)
		m.Secrets[id] = secret{Name: name, Keys: keys, Grants: []string{}}
		return err
	})
	if !ok {
		return
	}
	plan.ID = types.StringValue(plan.ModelUUID.ValueString() + ":" + id)
	plan.SecretID = types.StringValue(id)
	plan.SecretURI = types.StringValue("secret:" + id)
	response.Diagnostics.Append(response.State.Set(ctx, &plan)...)
}

func (r *secretResource) Read(ctx context.Context, request resource.ReadRequest, response *resource.ReadResponse) {
	state, ok := taken[secretModel](ctx, request.State, &response.Diagnostics)
	if !ok {
		return
	}
	r.read(ctx, state.ModelUUID, "cannot read the secret", response, func(m *model) bool { return m.hasSecret(state.SecretID) })
}

func (r *secretResource) Update(ctx context.Context, request resource.UpdateRequest, response *resource.UpdateResponse) {
	plan, ok := taken[secretModel](ctx, request.Plan, &response.Diagnostics)
	if !ok {
		return
	}
	config, ok := taken[secretModel](ctx, request.Config, &response.Diagnostics)
	if !ok {
		return
	}
	ok = r.do(plan.ModelUUID, "cannot change the secret", &response.Diagnostics, func(m *model) error {
		id := plan.SecretID.ValueString()
		kept := m.Secrets[id]
		keys, err := config.keys(ctx)
		kept.Name, kept.Keys = plan.Name.ValueString(), keys
		m.Secrets[id] = kept
		return err
	})
	if ok {
		response.Diagnostics.Append(response.State.Set(ctx, &plan)...)
	}
}

func (r *secretResource) Delete(ctx context.Context, request resource.DeleteRequest, response *resource.DeleteResponse) {
	state, ok := taken[secretModel](ctx, request.State, &response.Diagnostics)
	if !ok {
		return
	}
	r.do(state.ModelUUID, "cannot remove the secret", &response.Diagnostics, func(m *model) error {
		delete(m.Secrets, state.SecretID.ValueString())
		return nil
	})
}
