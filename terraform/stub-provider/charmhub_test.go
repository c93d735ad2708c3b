package main

import (
	"strings"
	"testing"
)

func TestADirectiveIsReadAsJujuReadsIt(t *testing.T) {
	for text, want := range map[string]directive{
		"5G":         {mebibytes: 5 * 1024},
		"2,4G":       {count: 2, mebibytes: 4096},
		"ebs,2,4G":   {pool: "ebs", count: 2, mebibytes: 4096},
		"4G, ebs":    {pool: "ebs", mebibytes: 4096},
		"kubernetes": {pool: "kubernetes"},
		"1.5GiB":     {mebibytes: 1536},
	} {
		if got, err := parseDirective(text); err != nil || got != want {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "5", "5K", "5G,6G", "a,b", "0,5G", "5 G", ",5G", "5Gi"} {
		got, err := parseDirective(text)
		// A number alone is a count, which Juju takes.
		if text == "5" {
			if err != nil || got.count != 5 {
				t.Errorf("%q: %+v %v", text, got, err)
			}
		} else if err == nil {
			t.Errorf("%q is taken: %+v", text, got)
		}
	}
}

func example() (*juju, *model) {
	hub := charmhub{
		"app": {
			Options:   map[string]string{"word": "string", "yes": "boolean", "key": "secret", "port": "int", "part": "float"},
			Provides:  map[string]endpoint{"backup": {Interface: "velero", Limit: 1}, "other": {Interface: "s3"}},
			Resources: map[string]string{"app-image": "oci-image"},
			Storage:   map[string]string{"config": "1G", "free": ""},
		},
		"server": {Requires: map[string]endpoint{"backups": {Interface: "velero"}}},
	}
	return &juju{charmhub: hub}, &model{
		Name:         "media",
		Applications: map[string]application{"a": {Charm: "app"}, "s": {Charm: "server"}, "t": {Charm: "server"}},
		Secrets:      map[string]secret{"abcdefghij0123456789": {}},
	}
}

func TestWhatJujuWouldRefuseIsRefused(t *testing.T) {
	juju, model := example()
	charm := juju.charmhub["app"]
	type settings struct{ config, resources, storage map[string]string }
	of := func(name, value string) map[string]string { return map[string]string{name: value} }
	for said, given := range map[string]settings{
		"": {
			map[string]string{"word": "x", "yes": "true", "key": "secret:abcdefghij0123456789", "port": "1", "part": "0.5"},
			of("app-image", "x:1"), map[string]string{"config": "1G", "free": "1M"},
		},
		`unknown option "no"`:              {of("no", ""), nil, nil},
		`expected boolean, got "maybe"`:    {of("yes", "maybe"), nil, nil},
		`expected int, got "1.5"`:          {of("port", "1.5"), nil, nil},
		`expected float, got "x"`:          {of("part", "x"), nil, nil},
		`expected a secret URI, got "abc"`: {of("key", "abc"), nil, nil},
		`9999" not found`:                  {of("key", "secret:abcdefghij0123459999"), nil, nil},
		`no resource "image"`:              {nil, of("image", "x:1"), nil},
		`no storage "data"`:                {nil, nil, of("data", "1G")},
		"minimum storage size is 1G":       {nil, nil, of("config", "1023M")},
		"at most 1 instances":              {nil, nil, of("config", "2,1G")},
		"neither a pool":                   {nil, nil, of("config", "1K")},
	} {
		err := charm.refuses(model, given.config, given.resources, given.storage)
		if said == "" && err != nil || said != "" && (err == nil || !strings.Contains(err.Error(), said)) {
			t.Errorf("%q expected, got %v", said, err)
		}
	}
	if _, err := juju.charmhub.charm("none"); err == nil {
		t.Error("a charm that is not there is given")
	}
}

func TestOnlySidesThatFitAreIntegrated(t *testing.T) {
	juju, model := example()
	refused := func(said string, sides [2]side) {
		t.Helper()
		before := len(model.Integrations)
		if _, err := juju.integrate(model, sides); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%q expected, got %v", said, err)
		}
		if len(model.Integrations) != before {
			t.Error("a refused integration is kept")
		}
	}
	refused(`application "x" not found`, [2]side{{"x", "backup"}, {"s", "backups"}})
	refused(`no endpoint "backups"`, [2]side{{"a", "backups"}, {"s", "backups"}})
	refused("do not fit together", [2]side{{"a", "other"}, {"s", "backups"}})
	refused("do not fit together", [2]side{{"t", "backups"}, {"s", "backups"}})
	made, err := juju.integrate(model, [2]side{{"s", "backups"}, {"a", "backup"}})
	if err != nil || made.id("m") != "m:a:backup:s:backups" {
		t.Errorf("%v %v", made, err)
	}
	refused("limit of 1 of a:backup", [2]side{{"a", "backup"}, {"t", "backups"}})
}
