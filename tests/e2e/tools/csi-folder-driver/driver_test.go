package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func newController(t *testing.T) *controller {
	t.Helper()
	store, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &controller{store: store}
}

func request(name string, bytes int64, snapshot string) *csi.CreateVolumeRequest {
	mode := &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER}
	made := &csi.CreateVolumeRequest{
		Name:          name,
		CapacityRange: &csi.CapacityRange{RequiredBytes: bytes},
		VolumeCapabilities: []*csi.VolumeCapability{{
			AccessMode: mode,
			AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}},
		}},
	}
	if snapshot != "" {
		source := &csi.VolumeContentSource_SnapshotSource{SnapshotId: snapshot}
		made.VolumeContentSource = &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{Snapshot: source}}
	}
	return made
}

func (c *controller) mustCreate(t *testing.T, wanted *csi.CreateVolumeRequest) {
	t.Helper()
	if _, err := c.CreateVolume(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
}

func (c *controller) mustSnapshot(t *testing.T, name, of string) *csi.Snapshot {
	t.Helper()
	made, err := c.CreateSnapshot(t.Context(), &csi.CreateSnapshotRequest{Name: name, SourceVolumeId: of})
	if err != nil {
		t.Fatal(err)
	}
	return made.Snapshot
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code codes.Code) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("%v should have been said, not: %v", code, err)
	}
}

func TestASnapshotKeepsWhatTheVolumeHeldThen(t *testing.T) {
	c := newController(t)
	c.mustCreate(t, request("pvc-1", 100, ""))
	file := filepath.Join(c.store.content("pvc-1"), "radarr.db")
	write(t, file, "then")
	if err := os.Chown(filepath.Dir(file), os.Getuid(), os.Getgid()); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(file), 0o711); err != nil {
		t.Fatal(err)
	}
	first := c.mustSnapshot(t, "snapshot-1", "pvc-1")
	write(t, file, "later")
	if again := c.mustSnapshot(t, "snapshot-1", "pvc-1"); !again.CreationTime.AsTime().Equal(first.CreationTime.AsTime()) {
		t.Error("a repeated call made another snapshot")
	}
	if _, err := c.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: "pvc-1"}); err != nil {
		t.Fatal(err)
	}

	c.mustCreate(t, request("pvc-2", 100, "snapshot-1"))
	text, err := os.ReadFile(filepath.Join(c.store.content("pvc-2"), "radarr.db"))
	if err != nil || string(text) != "then" {
		t.Errorf("the volume of the snapshot holds %q, %v", text, err)
	}
	for path, mode := range map[string]os.FileMode{"": 0o711, "radarr.db": 0o640} {
		if is, err := os.Stat(filepath.Join(c.store.content("pvc-2"), path)); err != nil || is.Mode().Perm() != mode {
			t.Errorf("the mode of %q is %v, %v", path, is.Mode(), err)
		}
	}
}

func TestCallsCanBeRepeatedButNamesAreNotSharedByDifferentThings(t *testing.T) {
	c := newController(t)
	for range 2 {
		c.mustCreate(t, request("pvc-1", 100, ""))
	}
	_, err := c.CreateVolume(t.Context(), request("pvc-1", 200, ""))
	wantCode(t, err, codes.AlreadyExists)
	c.mustCreate(t, request("pvc-2", 100, ""))
	c.mustSnapshot(t, "snapshot-1", "pvc-1")
	_, err = c.CreateSnapshot(t.Context(), &csi.CreateSnapshotRequest{Name: "snapshot-1", SourceVolumeId: "pvc-2"})
	wantCode(t, err, codes.AlreadyExists)
	for range 2 {
		if _, err := c.DeleteSnapshot(t.Context(), &csi.DeleteSnapshotRequest{SnapshotId: "snapshot-1"}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatItWasNotMadeForIsRefused(t *testing.T) {
	c := newController(t)
	c.mustCreate(t, request("pvc-1", 100, ""))
	c.mustSnapshot(t, "snapshot-1", "pvc-1")
	block := request("pvc-2", 100, "")
	block.VolumeCapabilities[0].AccessType = &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}
	shared := request("pvc-2", 100, "")
	shared.VolumeCapabilities[0].AccessMode.Mode = csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER
	parameter := request("pvc-2", 100, "")
	parameter.Parameters = map[string]string{"type": "fast"}
	clone := request("pvc-2", 100, "")
	clone.VolumeContentSource = &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Volume{
		Volume: &csi.VolumeContentSource_VolumeSource{VolumeId: "pvc-1"},
	}}
	for _, each := range []struct {
		request *csi.CreateVolumeRequest
		code    codes.Code
	}{
		{block, codes.InvalidArgument},
		{shared, codes.InvalidArgument},
		{parameter, codes.InvalidArgument},
		{clone, codes.InvalidArgument},
		{request("../pvc-2", 100, ""), codes.InvalidArgument},
		{request("", 100, ""), codes.InvalidArgument},
		{request("pvc-2", 100, "snapshot-2"), codes.NotFound},
		{request("pvc-2", 99, "snapshot-1"), codes.OutOfRange},
	} {
		_, err := c.CreateVolume(t.Context(), each.request)
		wantCode(t, err, each.code)
	}
	_, err := c.CreateSnapshot(t.Context(), &csi.CreateSnapshotRequest{Name: "snapshot-2", SourceVolumeId: "pvc-2"})
	wantCode(t, err, codes.NotFound)
	_, err = c.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: "../snapshots"})
	wantCode(t, err, codes.InvalidArgument)
	entries, err := os.ReadDir(filepath.Join(c.store.root, volumes))
	if err != nil || len(entries) != 1 {
		t.Errorf("a refused call left something: %v, %v", entries, err)
	}
}

func TestSnapshotsAreFoundByIdAndByVolume(t *testing.T) {
	c := newController(t)
	for _, name := range []string{"pvc-1", "pvc-2"} {
		c.mustCreate(t, request(name, 100, ""))
		c.mustSnapshot(t, "of-"+name, name)
	}
	for _, each := range []struct {
		id, of string
		found  int
	}{{"", "", 2}, {"of-pvc-1", "", 1}, {"", "pvc-2", 1}, {"gone", "", 0}} {
		answer, err := c.ListSnapshots(t.Context(), &csi.ListSnapshotsRequest{SnapshotId: each.id, SourceVolumeId: each.of})
		if err != nil || len(answer.Entries) != each.found {
			t.Errorf("%q of %q: %v, %v", each.id, each.of, answer, err)
		}
	}
}

func TestWhatWasNotFinishedIsRemovedAtTheStart(t *testing.T) {
	c := newController(t)
	if err := os.Mkdir(filepath.Join(c.store.root, unfinished, "snapshots-1"), 0o755); err != nil {
		t.Fatal(err)
	}
	again, err := openStore(c.store.root)
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Join(again.root, unfinished)); err != nil || len(entries) != 0 {
		t.Errorf("still there: %v, %v", entries, err)
	}
}

func TestMountPointsAreReadFromTheKernelsTable(t *testing.T) {
	table := `36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw
37 35 0:5 / /run/pods/1/volumes/kubernetes.io~csi/pvc-1/mount rw shared:2 - tmpfs tmpfs rw
`
	points := mountPoints(table)
	for _, point := range []string{"/mnt 2", "/run/pods/1/volumes/kubernetes.io~csi/pvc-1/mount"} {
		if !points[point] {
			t.Errorf("%q is missing in %v", point, points)
		}
	}
	if len(points) != 2 {
		t.Errorf("too many: %v", points)
	}
}
