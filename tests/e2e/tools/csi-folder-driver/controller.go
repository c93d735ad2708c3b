package main

import (
	"context"
	"errors"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// identity says who this driver is.
type identity struct {
	csi.UnimplementedIdentityServer
}

func (*identity) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: driverName, VendorVersion: "1"}, nil
}

func (*identity) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	service := &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE}
	return &csi.GetPluginCapabilitiesResponse{
		Capabilities: []*csi.PluginCapability{{Type: &csi.PluginCapability_Service_{Service: service}}},
	}, nil
}

func (*identity) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

// controller makes and removes volumes and snapshots. Their names become their ids.
type controller struct {
	csi.UnimplementedControllerServer
	store *store
}

func (*controller) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	var all []*csi.ControllerServiceCapability
	for _, kind := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		// Without it external-snapshotter takes every snapshot of an earlier cluster on trust.
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
	} {
		rpc := &csi.ControllerServiceCapability_RPC{Type: kind}
		all = append(all, &csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{Rpc: rpc}})
	}
	return &csi.ControllerGetCapabilitiesResponse{Capabilities: all}, nil
}

func (c *controller) CreateVolume(ctx context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if why := unsupported(request.GetVolumeCapabilities()); why != "" {
		return nil, status.Error(codes.InvalidArgument, why)
	}
	for key := range request.GetParameters() {
		return nil, status.Errorf(codes.InvalidArgument, "parameter %s is not known", key)
	}
	capacity := request.GetCapacityRange()
	if capacity.GetLimitBytes() > 0 && capacity.GetLimitBytes() < capacity.GetRequiredBytes() {
		return nil, status.Error(codes.OutOfRange, "the limit is below what is required")
	}
	wanted := volume{ID: request.GetName(), Bytes: capacity.GetRequiredBytes()}
	source := request.GetVolumeContentSource()
	if source != nil {
		wanted.Snapshot = source.GetSnapshot().GetSnapshotId()
		if wanted.Snapshot == "" {
			return nil, status.Error(codes.InvalidArgument, "a volume is made of a snapshot or of nothing")
		}
	}
	if err := c.store.createVolume(ctx, wanted); err != nil {
		return nil, asStatus(err)
	}
	return &csi.CreateVolumeResponse{
		Volume: &csi.Volume{VolumeId: wanted.ID, CapacityBytes: wanted.Bytes, ContentSource: source},
	}, nil
}

func (c *controller) DeleteVolume(_ context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if err := c.store.remove(volumes, request.GetVolumeId()); err != nil {
		return nil, asStatus(err)
	}
	return &csi.DeleteVolumeResponse{}, nil
}

func (c *controller) ValidateVolumeCapabilities(_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if _, err := c.store.volume(request.GetVolumeId()); err != nil {
		return nil, asStatus(err)
	}
	if why := unsupported(request.GetVolumeCapabilities()); why != "" {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: why}, nil
	}
	confirmed := &csi.ValidateVolumeCapabilitiesResponse_Confirmed{VolumeCapabilities: request.GetVolumeCapabilities()}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: confirmed}, nil
}

func (c *controller) CreateSnapshot(ctx context.Context, request *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	for key := range request.GetParameters() {
		return nil, status.Errorf(codes.InvalidArgument, "parameter %s is not known", key)
	}
	made, err := c.store.createSnapshot(ctx, request.GetName(), request.GetSourceVolumeId())
	if err != nil {
		return nil, asStatus(err)
	}
	return &csi.CreateSnapshotResponse{Snapshot: described(made)}, nil
}

func (c *controller) DeleteSnapshot(_ context.Context, request *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	if err := c.store.remove(snapshots, request.GetSnapshotId()); err != nil {
		return nil, asStatus(err)
	}
	return &csi.DeleteSnapshotResponse{}, nil
}

// ListSnapshots answers in one page: there are few.
func (c *controller) ListSnapshots(_ context.Context, request *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	if request.GetStartingToken() != "" {
		return nil, status.Error(codes.Aborted, "there are no further pages")
	}
	all, err := c.store.allSnapshots()
	if err != nil {
		return nil, asStatus(err)
	}
	answer := &csi.ListSnapshotsResponse{}
	for _, found := range all {
		id, of := request.GetSnapshotId(), request.GetSourceVolumeId()
		if (id == "" || id == found.ID) && (of == "" || of == found.Volume) {
			answer.Entries = append(answer.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: described(found)})
		}
	}
	return answer, nil
}

func described(found snapshot) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId:     found.ID,
		SourceVolumeId: found.Volume,
		SizeBytes:      found.Bytes,
		CreationTime:   timestamppb.New(found.Made),
		ReadyToUse:     true,
	}
}

// unsupported says why a volume cannot be used so, or nothing.
func unsupported(capabilities []*csi.VolumeCapability) string {
	if len(capabilities) == 0 {
		return "it is not said how the volume is used"
	}
	for _, capability := range capabilities {
		mount := capability.GetMount()
		mode := capability.GetAccessMode().GetMode()
		switch {
		case mount == nil:
			return "only folders can be mounted, no block devices"
		case mount.GetFsType() != "" || len(mount.GetMountFlags()) > 0:
			return "a folder has no file system and no mount options of its own"
		case !strings.HasPrefix(mode.String(), "SINGLE_NODE_"):
			return "a volume is on one node, not " + mode.String()
		}
	}
	return ""
}

// asStatus gives an error the code that the sidecars expect.
func asStatus(err error) error {
	for known, code := range map[error]codes.Code{
		errBadID:    codes.InvalidArgument,
		errConflict: codes.AlreadyExists,
		errNotFound: codes.NotFound,
		errTooSmall: codes.OutOfRange,
	} {
		if errors.Is(err, known) {
			return status.Error(code, err.Error())
		}
	}
	return status.Error(codes.Internal, err.Error())
}
