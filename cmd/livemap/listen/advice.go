package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
)

// openError is the error for a port that cannot be opened. It names the flag, and what can be done.
func openError(flag string, a Address, err error) error {
	if advice := a.advice(flag, err); advice != "" {
		return fmt.Errorf("--%s %s: %w; %s", flag, a, err, advice)
	}
	return fmt.Errorf("--%s %s: %w", flag, a, err)
}

// advice says what can be done about an error of the system; "" if there is nothing to say.
func (a Address) advice(flag string, err error) string {
	switch {
	case a.IsUnix():
		return unixAdvice(a.address, err)
	case errors.Is(err, errInUse):
		return "stop the program that uses this port, or choose another port with this flag"
	case errors.Is(err, errNoSuchAddress):
		return fmt.Sprintf("no interface of this machine has this address; "+
			"without a host, as in :%s, the hub listens on all of them", a.port())
	case errors.Is(err, fs.ErrPermission) && a.isPrivileged():
		return privilegeAdvice(flag)
	}
	return ""
}

func unixAdvice(path string, err error) string {
	switch {
	case errors.Is(err, errInUse):
		if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
			return "the hub does not replace this file, because it is no socket"
		}
		return "stop the program that listens there, or choose another path with this flag"
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("make the directory %s first", filepath.Dir(path))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("the hub's user must be allowed to write to the directory %s", filepath.Dir(path))
	}
	return ""
}

// isPrivileged reports whether Unix keeps the port for privileged programs.
func (a Address) isPrivileged() bool {
	number, err := net.LookupPort("tcp", a.port())
	return err == nil && number > 0 && number < 1024
}

// privilegeAdvice says how a hub gets a port below 1024.
func privilegeAdvice(flag string) string {
	advice := "ports below 1024 need a right: choose another port, or let systemd open this one " +
		"(deploy/livemap.socket)"
	if flag == "listen" {
		advice += ", or put a proxy in front (--listen off --proxy-listen ADDRESS)"
	}
	if program, err := os.Executable(); err == nil && runtime.GOOS == "linux" {
		advice += ", or run: sudo setcap cap_net_bind_service=+ep " + program
	}
	return advice
}
