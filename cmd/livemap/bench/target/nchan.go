package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/workload"
)

// nchan is a pub/sub module of nginx, in C.

const nchanConfig = `load_module %[1]s;
daemon off;
worker_processes 1;
worker_rlimit_nofile %[2]d;
%[3]spid %[4]s/nginx.pid;
error_log stderr error;
events { worker_connections %[2]d; }
http {
	access_log off;
	client_body_temp_path %[4]s/body;
	proxy_temp_path %[4]s/proxy;
	fastcgi_temp_path %[4]s/fastcgi;
	uwsgi_temp_path %[4]s/uwsgi;
	scgi_temp_path %[4]s/scgi;
	nchan_shared_memory_size 512M;
	server {
		listen 127.0.0.1:%[5]d backlog=4096;
		location = /ready { return 204; }
		location = /publish {
			nchan_publisher;
			nchan_channel_id bench;
			nchan_message_buffer_length 100000;
			nchan_message_timeout 1m;
		}
		location = /stream {
			nchan_subscriber;
			nchan_channel_id bench;
			nchan_subscriber_first_message newest;
		}
	}
}
`

// ErrNoNchan reports that nchan is not installed.
var ErrNoNchan = errors.New("nginx with nchan is not installed (Debian: nginx and libnginx-mod-nchan)")

func nchanModule() (nginx, module string, err error) {
	if nginx, err = exec.LookPath("nginx"); err != nil {
		if nginx, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return "", "", ErrNoNchan
		}
	}
	for _, dir := range []string{"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"} {
		module = filepath.Join(dir, "ngx_nchan_module.so")
		if _, err := os.Stat(module); err == nil {
			return nginx, module, nil
		}
	}
	return "", "", ErrNoNchan
}

// StartNchan starts an nginx with nchan, whose files are in a folder below dir.
func StartNchan(ctx context.Context, dir string) (*Target, error) {
	nginx, module, err := nchanModule()
	if err != nil {
		return nil, err
	}
	dir, err = os.MkdirTemp(dir, "nchan-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	path, err := writeNchanConfig(dir, module, port)
	if err != nil {
		return nil, err
	}
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	c, err := process.StartSilent(ctx, nginx, []string{"-p", dir, "-c", path}, base+"/ready")
	if err != nil {
		return nil, err
	}
	pids, err := process.ChildrenOf(c.PID())
	if err != nil {
		c.Interrupt()
		return nil, err
	}
	return &Target{
		Name: "nchan", PIDs: append(pids, c.PID()), Silent: true, Stop: c.Interrupt,
		URL: func(client.Protocol, string) string { return base + "/stream" },
		Publish: func(ctx context.Context, s workload.Schedule, e workload.Events) error {
			p := Poster{URL: base + "/publish", ContentType: "application/json"}
			return p.Publish(ctx, s, e.AppendFeature)
		},
	}, nil
}

// writeNchanConfig writes a configuration for nginx to a folder, and returns its path.
func writeNchanConfig(dir, module string, port int) (path string, err error) {
	files, err := process.OpenFiles()
	if err != nil {
		return "", err
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n"
	}
	path = filepath.Join(dir, "nginx.conf")
	config := fmt.Sprintf(nchanConfig, module, files, user, dir, port)
	return path, os.WriteFile(path, []byte(config), 0o600)
}

// freePort picks a port; somebody else might take it before it is used.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
