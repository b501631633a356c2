package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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

// errNoNchan is that it is not installed.
var errNoNchan = errors.New("there is no nginx with nchan here (Debian: nginx and libnginx-mod-nchan)")

func nchanModule() (nginx, module string, err error) {
	if nginx, err = exec.LookPath("nginx"); err != nil {
		if nginx, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return "", "", errNoNchan
		}
	}
	for _, dir := range []string{"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"} {
		module = filepath.Join(dir, "ngx_nchan_module.so")
		if _, err := os.Stat(module); err == nil {
			return nginx, module, nil
		}
	}
	return "", "", errNoNchan
}

// startNchan starts an nginx with nchan, whose files are in a folder below dir.
func startNchan(ctx context.Context, dir string) (*target, error) {
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
	files, err := openFiles()
	if err != nil {
		return nil, err
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n"
	}
	config := fmt.Sprintf(nchanConfig, module, files, user, dir, port)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	c, err := startSilent(ctx, nginx, []string{"-p", dir, "-c", path}, fmt.Sprintf("http://127.0.0.1:%d/ready", port))
	if err != nil {
		return nil, err
	}
	pids, err := childrenOf(c.pid())
	if err != nil {
		c.end()
		return nil, err
	}
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	return &target{
		name: "nchan", pids: append(pids, c.pid()), silent: true, stop: c.end,
		url: func(protocol, string) string { return base + "/stream" },
		publish: func(ctx context.Context, s schedule, e events) error {
			p := poster{url: base + "/publish", contentType: "application/json"}
			return p.publish(ctx, s, e.appendFeature)
		},
	}, nil
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
