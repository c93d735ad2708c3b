package main

import (
	"context"
	"regexp"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
)

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// isUUID takes what may be a model's UUID.
type isUUID struct{}

func (isUUID) Description(context.Context) string         { return "a UUID" }
func (isUUID) MarkdownDescription(context.Context) string { return "a UUID" }
func (isUUID) ValidateString(_ context.Context, request validator.StringRequest, response *validator.StringResponse) {
	value := request.ConfigValue
	if !value.IsNull() && !value.IsUnknown() && !uuidForm.MatchString(value.ValueString()) {
		response.Diagnostics.AddAttributeError(request.Path, "no UUID", value.ValueString()+" is no UUID")
	}
}

// areDirectives takes storage directives by their form; whether the charm has the storage is seen when it is deployed.
type areDirectives struct{}

func (areDirectives) Description(context.Context) string         { return "storage directives" }
func (areDirectives) MarkdownDescription(context.Context) string { return "storage directives" }
func (areDirectives) ValidateMap(ctx context.Context, request validator.MapRequest, response *validator.MapResponse) {
	if request.ConfigValue.IsNull() || request.ConfigValue.IsUnknown() {
		return
	}
	for name, text := range texts(ctx, request.ConfigValue) {
		if _, err := parseDirective(text); err != nil {
			response.Diagnostics.AddAttributeError(request.Path.AtMapKey(name), "no storage directive", err.Error())
		}
	}
}

// isSingle takes a block that is there once.
type isSingle struct{}

func (isSingle) Description(context.Context) string         { return "one block" }
func (isSingle) MarkdownDescription(context.Context) string { return "one block" }
func (isSingle) ValidateList(_ context.Context, request validator.ListRequest, response *validator.ListResponse) {
	if !request.ConfigValue.IsUnknown() && len(request.ConfigValue.Elements()) != 1 {
		response.Diagnostics.AddAttributeError(request.Path, "not one block", "it has to be there once")
	}
}

// areTwo takes a block that is there twice.
type areTwo struct{}

func (areTwo) Description(context.Context) string         { return "two blocks" }
func (areTwo) MarkdownDescription(context.Context) string { return "two blocks" }
func (areTwo) ValidateSet(_ context.Context, request validator.SetRequest, response *validator.SetResponse) {
	if !request.ConfigValue.IsUnknown() && len(request.ConfigValue.Elements()) != 2 {
		response.Diagnostics.AddAttributeError(request.Path, "not two blocks", "an integration has two applications")
	}
}
