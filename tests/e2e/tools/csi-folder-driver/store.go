package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// What can be wrong with a request; everything else is a fault of this machine.
var (
	errBadID    = errors.New("an id is made of letters, digits, dots, dashes and underscores")
	errConflict = errors.New("it exists and is another one")
	errNotFound = errors.New("there is none")
	errTooSmall = errors.New("a volume cannot be smaller than its snapshot")
)

// An id becomes the name of a folder.
var validID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// volume is a folder that pods mount.
type volume struct {
	ID string `json:"id"`
	// Bytes that were asked for. Nothing enforces them.
	Bytes int64 `json:"bytes"`
	// Snapshot that it was made from, or empty.
	Snapshot string `json:"snapshot,omitempty"`
}

// snapshot is a copy of a volume's content. It outlives the volume.
type snapshot struct {
	ID     string `json:"id"`
	Volume string `json:"volume"`
	// Bytes that a volume made of it has at least: those of the volume.
	Bytes int64     `json:"bytes"`
	Made  time.Time `json:"made"`
}

// store keeps volumes and snapshots: volumes/ID and snapshots/ID, each with about.json and the folder data.
//
// Everything is made below unfinished/ and renamed when it is whole, and is removed the other way round, so that what
// is there is always whole.
type store struct {
	root string
	// One change at a time: there are few, and the sidecars repeat calls that are still under way.
	changes sync.Mutex
}

const (
	volumes    = "volumes"
	snapshots  = "snapshots"
	unfinished = "unfinished"
	about      = "about.json"
	data       = "data"
)

// openStore makes the folders that are missing, and removes what an earlier run did not finish.
func openStore(root string) (*store, error) {
	if err := os.RemoveAll(filepath.Join(root, unfinished)); err != nil {
		return nil, fmt.Errorf("cannot remove what was not finished: %w", err)
	}
	for _, name := range []string{volumes, snapshots, unfinished} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			return nil, fmt.Errorf("cannot make a folder: %w", err)
		}
	}
	return &store{root: root}, nil
}

// createVolume makes a volume, empty or with the content of a snapshot. An equal one that exists is as good.
func (s *store) createVolume(ctx context.Context, wanted volume) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	switch found, err := s.volume(wanted.ID); {
	case err == nil && found == wanted:
		return nil
	case err == nil:
		return fmt.Errorf("volume %s: %w", wanted.ID, errConflict)
	case !errors.Is(err, errNotFound):
		return err
	}
	from := ""
	if wanted.Snapshot != "" {
		source, err := s.snapshot(wanted.Snapshot)
		if err != nil {
			return err
		}
		if wanted.Bytes < source.Bytes {
			return errTooSmall
		}
		from = filepath.Join(s.root, snapshots, source.ID, data)
	}
	return s.put(ctx, volumes, wanted.ID, wanted, from)
}

// createSnapshot copies a volume. An equal snapshot that exists is returned as it is.
func (s *store) createSnapshot(ctx context.Context, id, of string) (snapshot, error) {
	s.changes.Lock()
	defer s.changes.Unlock()
	switch found, err := s.snapshot(id); {
	case err == nil && found.Volume == of:
		return found, nil
	case err == nil:
		return snapshot{}, fmt.Errorf("snapshot %s: %w", id, errConflict)
	case !errors.Is(err, errNotFound):
		return snapshot{}, err
	}
	source, err := s.volume(of)
	if err != nil {
		return snapshot{}, err
	}
	made := snapshot{ID: id, Volume: of, Bytes: source.Bytes, Made: time.Now().UTC()}
	return made, s.put(ctx, snapshots, id, made, s.content(of))
}

// remove removes a volume or snapshot. One that is not there is no error.
func (s *store) remove(kind, id string) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	if !validID.MatchString(id) {
		return fmt.Errorf("%q: %w", id, errBadID)
	}
	leaving := filepath.Join(s.root, unfinished, kind+"-"+id)
	if err := os.Rename(filepath.Join(s.root, kind, id), leaving); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("cannot take %s out of %s: %w", id, kind, err)
	}
	return os.RemoveAll(leaving)
}

// volume finds a volume.
func (s *store) volume(id string) (volume, error) {
	var found volume
	err := s.read(volumes, id, &found)
	return found, err
}

// snapshot finds a snapshot.
func (s *store) snapshot(id string) (snapshot, error) {
	var found snapshot
	err := s.read(snapshots, id, &found)
	return found, err
}

// allSnapshots lists every snapshot.
func (s *store) allSnapshots() ([]snapshot, error) {
	entries, err := os.ReadDir(filepath.Join(s.root, snapshots))
	if err != nil {
		return nil, err
	}
	var all []snapshot
	for _, entry := range entries {
		switch found, err := s.snapshot(entry.Name()); {
		case err == nil:
			all = append(all, found)
		case !errors.Is(err, errNotFound):
			return nil, err
		}
	}
	return all, nil
}

// content is the folder that pods see of a volume.
func (s *store) content(id string) string {
	return filepath.Join(s.root, volumes, id, data)
}

func (s *store) read(kind, id string, into any) error {
	if !validID.MatchString(id) {
		return fmt.Errorf("%q: %w", id, errBadID)
	}
	text, err := os.ReadFile(filepath.Join(s.root, kind, id, about))
	if os.IsNotExist(err) {
		return fmt.Errorf("%s of %s: %w", id, kind, errNotFound)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// put makes kind/id with a description and the content of the folder from, or none.
func (s *store) put(ctx context.Context, kind, id string, described any, from string) error {
	making := filepath.Join(s.root, unfinished, kind+"-"+id)
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	if err := os.Mkdir(making, 0o755); err != nil {
		return err
	}
	text, err := json.Marshal(described)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(making, about), text, 0o644); err != nil {
		return err
	}
	content := filepath.Join(making, data)
	if from == "" {
		// As the root of a new file system is.
		err = os.Mkdir(content, 0o755)
	} else {
		err = copyFolder(ctx, from, content)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(making))
	}
	return os.Rename(making, filepath.Join(s.root, kind, id))
}

// copyFolder copies a folder with owners, modes, times, links and attributes.
func copyFolder(ctx context.Context, from, to string) error {
	said, err := exec.CommandContext(ctx, "cp", "--archive", "--no-target-directory", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot copy %s: %w: %s", from, err, strings.TrimSpace(string(said)))
	}
	return nil
}
