package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// nodeService mounts volumes where the kubelet wants them.
type nodeService struct {
	csi.UnimplementedNodeServer
	store *store
	node  string
}

func (n *nodeService) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: n.node}, nil
}

func (*nodeService) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

func (n *nodeService) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if why := unsupported([]*csi.VolumeCapability{request.GetVolumeCapability()}); why != "" {
		return nil, status.Error(codes.InvalidArgument, why)
	}
	target := request.GetTargetPath()
	if !filepath.IsAbs(target) {
		return nil, status.Errorf(codes.InvalidArgument, "target path %q is not absolute", target)
	}
	if _, err := n.store.volume(request.GetVolumeId()); err != nil {
		return nil, asStatus(err)
	}
	if err := mount(n.store.content(request.GetVolumeId()), target, request.GetReadonly()); err != nil {
		return nil, asStatus(err)
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (*nodeService) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	target := request.GetTargetPath()
	if !filepath.IsAbs(target) {
		return nil, status.Errorf(codes.InvalidArgument, "target path %q is not absolute", target)
	}
	if err := unmount(target); err != nil {
		return nil, asStatus(err)
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// mount binds a folder to target. What is mounted there already is left: the kubelet repeats its calls.
func mount(folder, target string, readOnly bool) error {
	mounted, err := isMounted(target)
	if err != nil || mounted {
		return err
	}
	if err := os.MkdirAll(target, 0o750); err != nil {
		return err
	}
	if err := syscall.Mount(folder, target, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("cannot mount at %s: %w", target, err)
	}
	if readOnly {
		// A bind mount takes options only when it is there.
		if err := syscall.Mount("", target, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			// Else the next call would find it mounted, and writable.
			return errors.Join(fmt.Errorf("cannot make %s read-only: %w", target, err), syscall.Unmount(target, 0))
		}
	}
	return nil
}

// unmount undoes mount, as far as it was done.
func unmount(target string) error {
	mounted, err := isMounted(target)
	if err != nil {
		return err
	}
	if mounted {
		if err := syscall.Unmount(target, 0); err != nil {
			return fmt.Errorf("cannot unmount %s: %w", target, err)
		}
	}
	// Never what is in it: if the unmounting went wrong unseen, that is the volume.
	if err := os.Remove(target); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

func isMounted(target string) (bool, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false, err
	}
	return mountPoints(string(table))[filepath.Clean(target)], nil
}

// mountPoints reads them from the kernel's table (proc_pid_mountinfo(5)), which writes some characters as octal numbers.
func mountPoints(table string) map[string]bool {
	escapes := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	points := map[string]bool{}
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points[escapes.Replace(fields[4])] = true
		}
	}
	return points
}
