// A CSI driver for tests on one node: a volume is a folder, a snapshot is a copy of it.
//
// It serves identity, controller and node service on one socket and registers itself with the kubelet on another, so
// it needs no registrar beside it. external-provisioner and external-snapshotter call it as they would call any driver.
//
// A snapshot here is made by copying file by file. It is a picture of one moment only while nobody writes; drivers for
// real storage do better. What is proven with this driver is the way of the bytes, not the moment.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// driverName is what StorageClasses and VolumeSnapshotClasses call this driver.
const driverName = "folder.csi.example.com"

func main() {
	folder := flag.String("folder", "", "where volumes and snapshots are kept")
	endpoint := flag.String("endpoint", "", "socket for the kubelet and the sidecars")
	registrar := flag.String("registration", "", "socket in the kubelet's folder for registrations")
	node := flag.String("node", "", "name of this node")
	flag.Parse()
	if *folder == "" || *endpoint == "" || *registrar == "" || *node == "" || flag.NArg() > 0 {
		log.Fatal("folder, endpoint, registration and node are all needed, and nothing else")
	}
	if err := run(*folder, *endpoint, *registrar, *node); err != nil {
		log.Fatal(err)
	}
}

func run(folder, endpoint, registrar, node string) error {
	store, err := openStore(folder)
	if err != nil {
		return err
	}
	failed := make(chan error, 3)
	server := grpc.NewServer(grpc.UnaryInterceptor(logCall))
	csi.RegisterIdentityServer(server, &identity{})
	csi.RegisterControllerServer(server, &controller{store: store})
	csi.RegisterNodeServer(server, &nodeService{store: store, node: node})
	registry := grpc.NewServer(grpc.UnaryInterceptor(logCall))
	registration.RegisterRegistrationServer(registry, &registrant{endpoint: endpoint, failed: failed})

	// The driver before its registration: the kubelet calls back at once.
	for _, each := range []struct {
		server *grpc.Server
		socket string
	}{{server, endpoint}, {registry, registrar}} {
		listener, err := listen(each.socket)
		if err != nil {
			return err
		}
		defer each.server.GracefulStop()
		go func() { failed <- each.server.Serve(listener) }()
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	select {
	case <-stop.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// listen makes the socket, in place of one that an earlier run left.
func listen(socket string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o750); err != nil {
		return nil, fmt.Errorf("cannot make the folder of a socket: %w", err)
	}
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("cannot remove an old socket: %w", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return listener, nil
}

// logCall says which calls came and what became of them. Probes, which come all the time, only when they fail.
func logCall(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	answer, err := next(ctx, request)
	switch {
	case err != nil:
		log.Printf("%s: %s: %s <- %v", info.FullMethod, status.Code(err), status.Convert(err).Message(), request)
	case info.FullMethod != csi.Identity_Probe_FullMethodName:
		log.Printf("%s: %v <- %v", info.FullMethod, answer, request)
	}
	return answer, err
}

// registrant tells the kubelet where the driver is.
type registrant struct {
	registration.UnimplementedRegistrationServer
	endpoint string
	failed   chan<- error
}

func (r *registrant) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:     registration.CSIPlugin,
		Name:     driverName,
		Endpoint: r.endpoint,
		// The CSI version as the kubelet wants it: 1 is all that it looks at.
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (r *registrant) NotifyRegistrationStatus(_ context.Context, is *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !is.PluginRegistered {
		r.failed <- fmt.Errorf("the kubelet does not take this driver: %s", is.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}
