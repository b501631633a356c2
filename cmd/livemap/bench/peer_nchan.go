package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
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

// nchan puts the load on it as a peer, in the full set; where it is not installed, that
// is noted.
func (l load) nchan(ctx context.Context, lab *lab, o *Outcome) error {
	if lab.quick {
		return nil
	}
	t, err := lab.startNchan(ctx)
	if errors.Is(err, errNoNchan) {
		o.note("%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer t.stop()
	l.settle, l.drain = min(l.settle, time.Second), 5*time.Second
	run, err := l.measure(ctx, t)
	if err != nil {
		o.note("%v", err)
		return nil
	}
	run.Peer = true
	o.Runs = append(o.Runs, run)
	return nil
}

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

func (l *lab) startNchan(ctx context.Context) (*target, error) {
	nginx, module, err := nchanModule()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(l.dir, "nchan-")
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

// childrenOf gives the processes that pid has started (proc_pid_children(5)).
func childrenOf(pid int) (pids []int, err error) {
	text, err := os.ReadFile(procFile(pid, filepath.Join("task", strconv.Itoa(pid), "children")))
	if err != nil {
		return nil, needsProc(err)
	}
	for _, field := range strings.Fields(string(text)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		pids = append(pids, child)
	}
	return pids, nil
}
