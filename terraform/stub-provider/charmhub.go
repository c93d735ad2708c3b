package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// charmhub is the charms that can be deployed, by name.
type charmhub map[string]charm

// charm is what a charm's metadata declares.
type charm struct {
	// Type of each option: string, int, float, boolean or secret.
	Options  map[string]string   `json:"options"`
	Provides map[string]endpoint `json:"provides"`
	Requires map[string]endpoint `json:"requires"`
	// Type of each resource.
	Resources map[string]string `json:"resources"`
	// Smallest size of each storage; empty where none is declared.
	Storage map[string]string `json:"storage"`
}

type endpoint struct {
	Interface string `json:"interface"`
	// Limit is 0 where there is none.
	Limit int `json:"limit"`
}

func (h charmhub) charm(name string) (charm, error) {
	found, ok := h[name]
	if !ok {
		return charm{}, fmt.Errorf("charm %q %w", name, errGone)
	}
	return found, nil
}

// endpoint gives one, and whether the charm provides it.
func (c charm) endpoint(name string) (endpoint, bool, error) {
	if found, ok := c.Provides[name]; ok {
		return found, true, nil
	}
	if found, ok := c.Requires[name]; ok {
		return found, false, nil
	}
	return endpoint{}, false, fmt.Errorf("there is no endpoint %q", name)
}

var secretURI = regexp.MustCompile(`^secret:(.*/)?([a-z0-9]{20})$`)

// refuses says why Juju would not take these settings in this model.
func (c charm) refuses(m *model, config, resources, directives map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(config)) {
		kind, ok := c.Options[name]
		if !ok {
			return fmt.Errorf("unknown option %q", name)
		}
		if err := fits(m, kind, config[name]); err != nil {
			return fmt.Errorf("option %q: %w", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(resources)) {
		if _, ok := c.Resources[name]; !ok {
			return fmt.Errorf("the charm has no resource %q", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(directives)) {
		smallest, ok := c.Storage[name]
		if !ok {
			return fmt.Errorf("the charm has no storage %q", name)
		}
		directive, err := parseDirective(directives[name])
		if err != nil {
			return err
		}
		// None of the charms that are known here declares `multiple`.
		if directive.count > 1 {
			return fmt.Errorf("storage %q: at most 1 instances supported, %d specified", name, directive.count)
		}
		if smallest == "" || directive.mebibytes == 0 {
			continue
		}
		least, err := parseSize(smallest)
		if err != nil {
			return err
		}
		if directive.mebibytes < least {
			return fmt.Errorf("storage %q: minimum storage size is %s, %q specified", name, smallest, directives[name])
		}
	}
	return nil
}

// fits says why a value is none of this type.
func fits(m *model, kind, value string) error {
	var err error
	switch kind {
	case "string":
	case "boolean":
		_, err = strconv.ParseBool(value)
	case "int":
		_, err = strconv.ParseInt(value, 10, 64)
	case "float":
		_, err = strconv.ParseFloat(value, 64)
	case "secret":
		parts := secretURI.FindStringSubmatch(value)
		if parts == nil {
			return fmt.Errorf("expected a secret URI, got %q", value)
		}
		if _, ok := m.Secrets[parts[2]]; !ok {
			return fmt.Errorf("secret %q %w", value, errGone)
		}
	default:
		return fmt.Errorf("the stub does not know options of type %q", kind)
	}
	if err != nil {
		return fmt.Errorf("expected %s, got %q", kind, value)
	}
	return nil
}

// directive is a storage directive: [<pool>,][<count>,][<size>] in any order.
type directive struct {
	pool      string
	count     uint64
	mebibytes uint64
}

var (
	poolForm  = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*$`)
	countForm = regexp.MustCompile(`^[0-9]+$`)
	sizeForm  = regexp.MustCompile(`^([0-9]+)(\.[0-9]+)?([MGTPEZY])(i?B)?$`)
)

// parseDirective tells the parts by their look, as Juju does: a pool's name begins with a letter, a size ends with a unit.
func parseDirective(text string) (directive, error) {
	var found directive
	wrong := func(why string) (directive, error) {
		return directive{}, fmt.Errorf("storage directive %q: %s", text, why)
	}
	if text == "" {
		return wrong("at least one of pool, count and size must be specified")
	}
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		switch {
		case sizeForm.MatchString(part):
			size, err := parseSize(part)
			if err != nil || found.mebibytes != 0 {
				return wrong("it has no single size")
			}
			found.mebibytes = size
		case countForm.MatchString(part):
			count, err := strconv.ParseUint(part, 10, 64)
			if err != nil || count == 0 || found.count != 0 {
				return wrong("it has no single count above 0")
			}
			found.count = count
		case poolForm.MatchString(part):
			if found.pool != "" {
				return wrong("it has no single pool")
			}
			found.pool = part
		default:
			return wrong(fmt.Sprintf("%q is neither a pool, a count nor a size with a unit of M, G, T, P, E, Z, Y", part))
		}
	}
	return found, nil
}

// parseSize reads a size in MiB.
func parseSize(text string) (uint64, error) {
	parts := sizeForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("%q is no size: a number and one of M, G, T, P, E, Z, Y", text)
	}
	number, err := strconv.ParseFloat(parts[1]+parts[2], 64)
	if err != nil {
		return 0, err
	}
	for range strings.Index("MGTPEZY", parts[3]) {
		number *= 1024
	}
	return uint64(number), nil
}
