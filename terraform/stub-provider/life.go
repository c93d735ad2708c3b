package main

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// shared is what every resource needs.
type shared struct{ juju *juju }

func (s *shared) Configure(_ context.Context, request resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	if juju, ok := request.ProviderData.(*juju); ok {
		s.juju = juju
	}
}

// sharedSource is what every data source needs.
type sharedSource struct{ juju *juju }

func (s *sharedSource) Configure(_ context.Context, request datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	if juju, ok := request.ProviderData.(*juju); ok {
		s.juju = juju
	}
}

// object is a plan, a state or a configuration.
type object interface {
	Get(context.Context, any) diag.Diagnostics
}

// taken is what an object says; false where it cannot be taken, which is told.
func taken[T any](ctx context.Context, from object, told *diag.Diagnostics) (T, bool) {
	var value T
	told.Append(from.Get(ctx, &value)...)
	return value, !told.HasError()
}

// do does something to a model. False where that cannot be: `failure` is told with the reason.
func (s *shared) do(uuid types.String, failure string, told *diag.Diagnostics, change func(*model) error) bool {
	err := s.juju.with(uuid.ValueString(), change)
	if err != nil {
		told.AddError(failure, err.Error())
	}
	return err == nil
}

// read forgets what a model has no more.
func (s *shared) read(ctx context.Context, uuid types.String, failure string, response *resource.ReadResponse, has func(*model) bool) {
	found := false
	could := s.do(uuid, failure, &response.Diagnostics, func(m *model) error {
		found = has(m)
		return nil
	})
	if could && !found {
		response.State.RemoveResource(ctx)
	}
}
