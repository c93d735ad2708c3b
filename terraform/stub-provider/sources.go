package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

type modelSource struct{ sharedSource }

type modelSourceModel struct {
	ID    types.String `tfsdk:"id"`
	Name  types.String `tfsdk:"name"`
	Owner types.String `tfsdk:"owner"`
	Type  types.String `tfsdk:"type"`
	UUID  types.String `tfsdk:"uuid"`
}

func (*modelSource) Metadata(_ context.Context, _ datasource.MetadataRequest, response *datasource.MetadataResponse) {
	response.TypeName = "juju_model"
}

// Schema is that of the provider's docs/data-sources/model.md: a model is found by its UUID, or by its name and owner.
func (*modelSource) Schema(_ context.Context, _ datasource.SchemaRequest, response *datasource.SchemaResponse) {
	response.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":    schema.StringAttribute{Computed: true},
		"name":  schema.StringAttribute{Optional: true, Computed: true},
		"owner": schema.StringAttribute{Optional: true, Computed: true},
		"type":  schema.StringAttribute{Computed: true},
		"uuid":  schema.StringAttribute{Optional: true, Computed: true},
	}}
}

func (s *modelSource) Read(ctx context.Context, request datasource.ReadRequest, response *datasource.ReadResponse) {
	config, ok := taken[modelSourceModel](ctx, request.Config, &response.Diagnostics)
	if !ok {
		return
	}
	uuid, name := config.UUID.ValueString(), config.Name.ValueString()
	if (uuid == "") == (name == "") || (name == "") != config.Owner.IsNull() {
		response.Diagnostics.AddError("no model is named", "it wants uuid, or name and owner")
		return
	}
	var err error
	if uuid == "" {
		uuid, err = s.juju.find(name)
	}
	if err == nil {
		err = s.juju.with(uuid, func(m *model) error {
			name = m.Name
			return nil
		})
	}
	if err != nil {
		response.Diagnostics.AddError("cannot read the model", err.Error())
		return
	}
	found := modelSourceModel{
		ID:    types.StringValue(uuid),
		Name:  types.StringValue(name),
		Owner: types.StringValue("admin"),
		Type:  types.StringValue("CAAS"),
		UUID:  types.StringValue(uuid),
	}
	response.Diagnostics.Append(response.State.Set(ctx, &found)...)
}

type applicationSource struct{ sharedSource }

type applicationSourceModel struct {
	ModelUUID   types.String `tfsdk:"model_uuid"`
	Name        types.String `tfsdk:"name"`
	Machines    types.Set    `tfsdk:"machines"`
	UnitNumbers types.Set    `tfsdk:"unit_numbers"`
}

func (*applicationSource) Metadata(_ context.Context, _ datasource.MetadataRequest, response *datasource.MetadataResponse) {
	response.TypeName = "juju_application"
}

// Schema is that of the provider's docs/data-sources/application.md.
func (*applicationSource) Schema(_ context.Context, _ datasource.SchemaRequest, response *datasource.SchemaResponse) {
	response.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"model_uuid":   schema.StringAttribute{Required: true},
		"name":         schema.StringAttribute{Required: true},
		"machines":     schema.SetAttribute{Computed: true, ElementType: types.StringType},
		"unit_numbers": schema.SetAttribute{Computed: true, ElementType: types.StringType},
	}}
}

func (s *applicationSource) Read(ctx context.Context, request datasource.ReadRequest, response *datasource.ReadResponse) {
	state, ok := taken[applicationSourceModel](ctx, request.Config, &response.Diagnostics)
	if !ok {
		return
	}
	units := []attr.Value{}
	err := s.juju.with(state.ModelUUID.ValueString(), func(m *model) error {
		found, ok := m.Applications[state.Name.ValueString()]
		if !ok {
			return fmt.Errorf("application %q %w", state.Name.ValueString(), errGone)
		}
		for number := range found.Units {
			units = append(units, types.StringValue(fmt.Sprint(number)))
		}
		return nil
	})
	if err != nil {
		response.Diagnostics.AddError("cannot read the application", err.Error())
		return
	}
	state.Machines = types.SetValueMust(types.StringType, []attr.Value{})
	state.UnitNumbers = types.SetValueMust(types.StringType, units)
	response.Diagnostics.Append(response.State.Set(ctx, &state)...)
}
