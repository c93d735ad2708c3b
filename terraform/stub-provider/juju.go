package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// juju is the stub's controller: charms that can be deployed, and models kept in a file, which outlives the provider's process as a
// real controller does.
type juju struct {
	charmhub charmhub
	file     string
}

// model is one model with what is in it.
type model struct {
	Name         string                 `json:"name"`
	Applications map[string]application `json:"applications"`
	Secrets      map[string]secret      `json:"secrets"`
	Integrations []integration          `json:"integrations"`
}

// application is one deployed charm.
type application struct {
	Charm string `json:"charm"`
	Units int64  `json:"units"`
}

// secret is a user's secret. Its values are not kept, as nobody reads them.
type secret struct {
	Name   string   `json:"name"`
	Keys   []string `json:"keys"`
	Grants []string `json:"grants"`
}

// side is one of the two applications of an integration.
type side struct {
	Application string `json:"application"`
	Endpoint    string `json:"endpoint"`
}

// integration is one, the provider's side first.
type integration struct {
	Provider side `json:"provider"`
	Requirer side `json:"requirer"`
}

func (i integration) id(model string) string {
	return strings.Join([]string{model, i.Provider.Application, i.Provider.Endpoint, i.Requirer.Application, i.Requirer.Endpoint}, ":")
}

func open(hub, models string) (*juju, error) {
	if hub == "" || models == "" {
		return nil, fmt.Errorf("%s and %s are not set: start it by cargo xtask terraform", charmhubVariable, modelsVariable)
	}
	text, err := os.ReadFile(hub)
	if err != nil {
		return nil, err
	}
	known := charmhub{}
	if err := json.Unmarshal(text, &known); err != nil {
		return nil, fmt.Errorf("%s: %w", hub, err)
	}
	return &juju{charmhub: known, file: models}, nil
}

// errGone is the answer where a thing is not there: a resource that is read then has to be made again.
var errGone = errors.New("not found")

// with calls change on the model of this UUID, and keeps what it changed if it gives no error. Other processes wait meanwhile.
func (j *juju) with(uuid string, change func(*model) error) error {
	file, err := os.OpenFile(j.file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	models := map[string]*model{}
	if err := json.NewDecoder(file).Decode(&models); err != nil {
		return fmt.Errorf("%s: %w", j.file, err)
	}
	found := models[uuid]
	if found == nil {
		return fmt.Errorf("model %q %w", uuid, errGone)
	}
	if found.Applications == nil {
		found.Applications = map[string]application{}
	}
	if found.Secrets == nil {
		found.Secrets = map[string]secret{}
	}
	if err := change(found); err != nil {
		return err
	}
	text, err := json.MarshalIndent(models, "", "  ")
	if err != nil {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteAt(append(text, '\n'), 0)
	return err
}

// find gives the UUID of a model by its name.
func (j *juju) find(name string) (string, error) {
	text, err := os.ReadFile(j.file)
	if err != nil {
		return "", err
	}
	models := map[string]*model{}
	if err := json.Unmarshal(text, &models); err != nil {
		return "", err
	}
	for uuid, model := range models {
		if model.Name == name {
			return uuid, nil
		}
	}
	return "", fmt.Errorf("model %q %w", name, errGone)
}

// integrate makes an integration of two sides in any order.
func (j *juju) integrate(m *model, sides [2]side) (integration, error) {
	var made integration
	var interfaces [2]string
	var limits [2]int
	var roles [2]bool
	for number, side := range sides {
		found, ok := m.Applications[side.Application]
		if !ok {
			return made, fmt.Errorf("application %q %w", side.Application, errGone)
		}
		charm, err := j.charmhub.charm(found.Charm)
		if err != nil {
			return made, err
		}
		endpoint, provides, err := charm.endpoint(side.Endpoint)
		if err != nil {
			return made, fmt.Errorf("application %q: %w", side.Application, err)
		}
		interfaces[number], limits[number], roles[number] = endpoint.Interface, endpoint.Limit, provides
	}
	if roles[0] == roles[1] || interfaces[0] != interfaces[1] {
		return made, fmt.Errorf("no relations found: %s:%s and %s:%s do not fit together", sides[0].Application, sides[0].Endpoint,
			sides[1].Application, sides[1].Endpoint)
	}
	made = integration{Provider: sides[0], Requirer: sides[1]}
	if !roles[0] {
		made = integration{Provider: sides[1], Requirer: sides[0]}
	}
	for number, side := range sides {
		of := func(other integration) bool { return other.Provider == side || other.Requirer == side }
		count := 0
		for _, other := range m.Integrations {
			if of(other) {
				count++
			}
		}
		if limits[number] > 0 && count >= limits[number] {
			return made, fmt.Errorf("a new relation would exceed the maximum relation limit of %d of %s:%s", limits[number], side.Application,
				side.Endpoint)
		}
	}
	if slices.Contains(m.Integrations, made) {
		return made, fmt.Errorf("the relation is there already: %s", made.id(""))
	}
	m.Integrations = append(m.Integrations, made)
	return made, nil
}

// newID is one as Juju makes them for secrets: 20 small letters and digits.
func newID() string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	bytes := make([]byte, 20)
	_, _ = rand.Read(bytes)
	for number, value := range bytes {
		bytes[number] = letters[int(value)%len(letters)]
	}
	return string(bytes)
}
