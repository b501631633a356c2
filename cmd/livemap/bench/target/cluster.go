package target

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
)

// Cluster is three hubs of one journal, each a process of its own.
type Cluster [3]*Hub

// StartCluster starts three hubs on loopback, with further flags. Their states are below a directory.
func StartCluster(program, state string, args ...string) (c Cluster, err error) {
	peers, err := freeAddresses(len(c))
	if err != nil {
		return c, err
	}
	var failed [len(c)]error
	var starting sync.WaitGroup
	for i := range c {
		starting.Go(func() {
			flags := append([]string{"--cluster-listen", peers[i], "--cluster-peers", strings.Join(peers, ","),
				"--node-name", fmt.Sprint("hub-", i)}, args...)
			c[i], failed[i] = StartHub(program, fmt.Sprint(state, "/", i), flags...)
		})
	}
	starting.Wait()
	if err := errors.Join(failed[:]...); err != nil {
		c.Stop()
		return c, err
	}
	return c, nil
}

// freeAddresses returns addresses of loopback at which nothing listens.
func freeAddresses(n int) (addresses []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all at once, so that they differ
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

// Stop ends all.
func (c Cluster) Stop() {
	var stopping sync.WaitGroup
	for _, h := range c {
		if h != nil {
			stopping.Go(h.Stop)
		}
	}
	stopping.Wait()
}

// PIDs returns the processes.
func (c Cluster) PIDs() (pids []int) {
	for _, h := range c {
		pids = append(pids, h.PID())
	}
	return pids
}

// Target measures the second hub while the first is published to.
func (c Cluster) Target(name string, rate float64) *Target {
	return &Target{Name: name, PIDs: []int{c[1].PID()}, URL: c[1].URL, Stop: c.Stop,
		Publish: HubPublisher(c[0].Internal, rate)}
}
