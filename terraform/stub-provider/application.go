package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/mapplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/setplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

type applicationResource struct{ shared }

type applicationModel struct {
	ID                  types.String `tfsdk:"id"`
	Name                types.String `tfsdk:"name"`
	ModelUUID           types.String `tfsdk:"model_uuid"`
	ModelType           types.String `tfsdk:"model_type"`
	Config              types.Map    `tfsdk:"config"`
	Constraints         types.String `tfsdk:"constraints"`
	EndpointBindings    types.Set    `tfsdk:"endpoint_bindings"`
	Machines            types.Set    `tfsdk:"machines"`
	RegistryCredentials types.Map    `tfsdk:"registry_credentials"`
	Resources           types.Map    `tfsdk:"resources"`
	Storage             types.Set    `tfsdk:"storage"`
	StorageDirectives   types.Map    `tfsdk:"storage_directives"`
	Trust               types.Bool   `tfsdk:"trust"`
	Units               types.Int64  `tfsdk:"units"`
	Charm               []charmBlock `tfsdk:"charm"`
	Expose              types.List   `tfsdk:"expose"`
}

type charmBlock struct {
	Name     types.String `tfsdk:"name"`
	Base     types.String `tfsdk:"base"`
	Channel  types.String `tfsdk:"channel"`
	Revision types.Int64  `tfsdk:"revision"`
}

var storageType = types.ObjectType{AttrTypes: map[string]attr.Type{
	"count": types.Int64Type, "label": types.StringType, "pool": types.StringType, "size": types.StringType,
}}

func (*applicationResource) Metadata(_ context.Context, _ resource.MetadataRequest, response *resource.MetadataResponse) {
	response.TypeName = "juju_application"
}

// Schema is that of the provider's docs/resources/application.md, with what a change of each attribute does.
func (*applicationResource) Schema(_ context.Context, _ resource.SchemaRequest, response *resource.SchemaResponse) {
	text := types.StringType
	kept := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	replaces := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	response.Schema = schema.Schema{
		Attributes: map[string]schema.Attribute{
			"id":         schema.StringAttribute{Computed: true, PlanModifiers: kept},
			"model_type": schema.StringAttribute{Computed: true, PlanModifiers: kept},
			"name": schema.StringAttribute{
				Optional: true, Computed: true,
				PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace(), stringplanmodifier.UseStateForUnknown()},
			},
			"model_uuid": schema.StringAttribute{Required: true, PlanModifiers: replaces, Validators: []validator.String{isUUID{}}},
			"config":     schema.MapAttribute{Optional: true, ElementType: text},
			"constraints": schema.StringAttribute{
				Optional: true, Computed: true,
				PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace(), stringplanmodifier.UseStateForUnknown()},
			},
			"endpoint_bindings": schema.SetNestedAttribute{Optional: true, NestedObject: schema.NestedAttributeObject{
				Attributes: map[string]schema.Attribute{
					"endpoint": schema.StringAttribute{Optional: true},
					"space":    schema.StringAttribute{Required: true},
				},
			}},
			"machines": schema.SetAttribute{Optional: true, ElementType: text},
			"registry_credentials": schema.MapNestedAttribute{Optional: true, NestedObject: schema.NestedAttributeObject{
				Attributes: map[string]schema.Attribute{
					"password": schema.StringAttribute{Required: true, Sensitive: true},
					"username": schema.StringAttribute{Required: true},
				},
			}},
			"resources": schema.MapAttribute{Optional: true, ElementType: text},
			"storage": schema.SetNestedAttribute{
				Computed:      true,
				PlanModifiers: []planmodifier.Set{setplanmodifier.UseStateForUnknown()},
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"count": schema.Int64Attribute{Computed: true},
					"label": schema.StringAttribute{Computed: true},
					"pool":  schema.StringAttribute{Computed: true},
					"size":  schema.StringAttribute{Computed: true},
				}},
			},
			"storage_directives": schema.MapAttribute{
				Optional: true, ElementType: text,
				Validators:    []validator.Map{areDirectives{}},
				PlanModifiers: []planmodifier.Map{mapplanmodifier.RequiresReplaceIf(changesDirective, "", "")},
			},
			"trust": schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(false)},
			"units": schema.Int64Attribute{Optional: true, Computed: true, Default: int64default.StaticInt64(1)},
		},
		Blocks: map[string]schema.Block{
			"charm": schema.ListNestedBlock{
				Validators: []validator.List{isSingle{}},
				NestedObject: schema.NestedBlockObject{Attributes: map[string]schema.Attribute{
					"name":    schema.StringAttribute{Required: true, PlanModifiers: replaces},
					"base":    schema.StringAttribute{Optional: true, Computed: true, PlanModifiers: kept},
					"channel": schema.StringAttribute{Optional: true, Computed: true, PlanModifiers: kept},
					"revision": schema.Int64Attribute{
						Optional: true, Computed: true,
						PlanModifiers: []planmodifier.Int64{int64planmodifier.UseStateForUnknown()},
					},
				}},
			},
			"expose": schema.ListNestedBlock{NestedObject: schema.NestedBlockObject{Attributes: map[string]schema.Attribute{
				"cidrs":     schema.StringAttribute{Optional: true},
				"endpoints": schema.StringAttribute{Optional: true},
				"spaces":    schema.StringAttribute{Optional: true},
			}}},
		},
	}
}

// changesDirective: "Changing an existing key/value pair will cause the application to be replaced", while a new one adds storage.
func changesDirective(ctx context.Context, request planmodifier.MapRequest, response *mapplanmodifier.RequiresReplaceIfFuncResponse) {
	before, after := texts(ctx, request.StateValue), texts(ctx, request.PlanValue)
	for name, value := range before {
		if after[name] != value {
			response.RequiresReplace = true
		}
	}
}

// texts is a map's content; what is not known yet is left out.
func texts(ctx context.Context, from types.Map) map[string]string {
	values := map[string]types.String{}
	from.ElementsAs(ctx, &values, false)
	found := map[string]string{}
	for name, value := range values {
		if !value.IsNull() && !value.IsUnknown() {
			found[name] = value.ValueString()
		}
	}
	return found
}

func (m *applicationModel) refusedBy(ctx context.Context, juju *juju, in *model) error {
	charm, err := juju.charmhub.charm(m.Charm[0].Name.ValueString())
	if err != nil {
		return err
	}
	if m.Units.ValueInt64() < 0 {
		return fmt.Errorf("units: %d is below 0", m.Units.ValueInt64())
	}
	return charm.refuses(in, texts(ctx, m.Config), texts(ctx, m.Resources), texts(ctx, m.StorageDirectives))
}

// fill says what Juju would decide itself.
func (m *applicationModel) fill() {
	charm := &m.Charm[0]
	if m.Name.IsUnknown() || m.Name.IsNull() {
		m.Name = charm.Name
	}
	m.ID = types.StringValue(m.ModelUUID.ValueString() + ":" + m.Name.ValueString())
	m.ModelType = types.StringValue("caas")
	if m.Constraints.IsUnknown() {
		m.Constraints = types.StringValue("")
	}
	if charm.Base.IsUnknown() {
		charm.Base = types.StringValue("ubuntu@24.04")
	}
	if charm.Channel.IsUnknown() {
		charm.Channel = types.StringValue("latest/stable")
	}
	if charm.Revision.IsUnknown() {
		charm.Revision = types.Int64Value(1)
	}
	if m.Storage.IsUnknown() {
		elements := []attr.Value{}
		for name, text := range texts(context.Background(), m.StorageDirectives) {
			directive, _ := parseDirective(text)
			elements = append(elements, types.ObjectValueMust(storageType.AttrTypes, map[string]attr.Value{
				"count": types.Int64Value(int64(max(directive.count, 1))),
				"label": types.StringValue(name),
				"pool":  types.StringValue(directive.pool),
				"size":  types.StringValue(fmt.Sprintf("%dM", directive.mebibytes)),
			}))
		}
		m.Storage = types.SetValueMust(storageType, elements)
	}
}

// put deploys the application of a plan, or changes it.
func (r *applicationResource) put(ctx context.Context, from tfsdk.Plan, state *tfsdk.State, told *diag.Diagnostics, failure string, isNew bool) {
	plan, ok := taken[applicationModel](ctx, from, told)
	if !ok {
		return
	}
	plan.fill()
	name := plan.Name.ValueString()
	ok = r.do(plan.ModelUUID, failure, told, func(m *model) error {
		if _, exists := m.Applications[name]; exists && isNew {
			return fmt.Errorf("application %q: already exists", name)
		}
		if err := plan.refusedBy(ctx, r.juju, m); err != nil {
			return fmt.Errorf("application %q: %w", name, err)
		}
		m.Applications[name] = application{Charm: plan.Charm[0].Name.ValueString(), Units: plan.Units.ValueInt64()}
		return nil
	})
	if ok {
		told.Append(state.Set(ctx, &plan)...)
	}
}

func (r *applicationResource) Create(ctx context.Context, request resource.CreateRequest, response *resource.CreateResponse) {
	r.put(ctx, request.Plan, &response.State, &response.Diagnostics, "cannot deploy the application", true)
}

func (r *applicationResource) Read(ctx context.Context, request resource.ReadRequest, response *resource.ReadResponse) {
	state, ok := taken[applicationModel](ctx, request.State, &response.Diagnostics)
	if !ok {
		return
	}
	r.read(ctx, state.ModelUUID, "cannot read the application", response, func(m *model) bool {
		_, found := m.Applications[state.Name.ValueString()]
		return found
	})
}

func (r *applicationResource) Update(ctx context.Context, request resource.UpdateRequest, response *resource.UpdateResponse) {
	r.put(ctx, request.Plan, &response.State, &response.Diagnostics, "cannot change the application", false)
}

func (r *applicationResource) Delete(ctx context.Context, request resource.DeleteRequest, response *resource.DeleteResponse) {
	state, ok := taken[applicationModel](ctx, request.State, &response.Diagnostics)
	if !ok {
		return
	}
	r.do(state.ModelUUID, "cannot remove the application", &response.Diagnostics, func(m *model) error {
		name := state.Name.ValueString()
		// A real Juju removes the relations with it. Here it is said, since the modules should take them away first.
		for _, other := range m.Integrations {
			if other.Provider.Application == name || other.Requirer.Application == name {
				return fmt.Errorf("application %q still has the relation %s", name, other.id(""))
			}
		}
		delete(m.Applications, name)
		return nil
	})
}
