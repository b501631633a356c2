package api

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"livemap/api/problem"
	"livemap/api/transport"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// limitWrites aborts an answer whose reader does not read. A stream has a timeout of its own.
func (a *API) limitWrites(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := transport.NewAnswer(w, r, a.StallTimeout)
		next.ServeHTTP(answer, r)
		if r.Method == http.MethodHead && r.ProtoMajor == 3 {
			answer.FlushError() // else http3 adds the length of the body, which is none
		}
		err := answer.Finish()
		if errors.Is(err, transport.ErrStalled) {
			a.Metrics.stalledAnswers.Inc()
		}
		if err != nil {
			panic(http.ErrAbortHandler) // else a client over HTTP/3 would see a complete answer
		}
	})
}

// securityHeaders stops MIME sniffing, framing and referrer leaks. The page's files have policies of
// their own.
func securityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// recoverPanic limits a panic to its own request, and counts it.
func (a *API) recoverPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			failure := recover()
			if failure == nil {
				return
			}
			if failure == http.ErrAbortHandler {
				panic(failure) // a handler cuts its connection
			}
			a.logPanic(failure, debug.Stack(), "method", r.Method, "path", r.URL.Path)
			p, _ := problemOf(nil)
			a.writeProblem(w, r, p)
		}()
		next.ServeHTTP(w, r)
	})
}

// logPanic counts a panic and logs it with attributes of the request.
func (a *API) logPanic(value any, stack []byte, request ...any) {
	a.Metrics.panics.Inc()
	a.Log.Error("panic in a handler", append(request, "panic", value, "stack", string(stack))...)
}

// matchEscapedPath matches routes against the path as the client sent it. An id with %2F in it is one
// segment, and pathID decodes it once.
func matchEscapedPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chi.RouteContext(r.Context()).RoutePath = r.URL.EscapedPath()
		next.ServeHTTP(w, r)
	})
}

// limitHeader rejects a request whose header is too large. The servers have a less exact limit of
// their own, and answer without a problem.
func (a *API) limitHeader(next http.Handler) http.Handler {
	tooLarge := a.handle(func(http.ResponseWriter, *http.Request) error {
		return problem.New(http.StatusRequestHeaderFieldsTooLarge,
			"the request's header is larger than %d bytes", transport.MaxHeader)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if headerSize(r) > transport.MaxHeader {
			tooLarge(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// headerSize returns the size of a request's header in HTTP/1.1, in bytes.
func headerSize(r *http.Request) int {
	size := len(r.Method) + len(" ") + len(r.RequestURI) + len(" HTTP/1.1\r\n") + len("Host: \r\n") + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(": ") + len(value) + len("\r\n")
		}
	}
	return size
}

// requireLocalHost rejects requests with a foreign Host. Without it a web page could point its own
// name at this port and would count as the hub's page (DNS rebinding).
func (a *API) requireLocalHost(next http.Handler) http.Handler {
	refuse := a.handle(func(_ http.ResponseWriter, r *http.Request) error {
		return problem.New(http.StatusMisdirectedRequest,
			"Host is %q; this port accepts localhost and IP addresses", problem.Shorten(r.Host))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isUnixSocket(r) && r.Host != "" && !isLocalOrIP(r.Host) { // browsers always send it
			refuse(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLocalOrIP reports whether a Host is localhost or an IP address. DNS rebinding cannot use these.
func isLocalOrIP(hostport string) bool {
	host := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	_, err := netip.ParseAddr(host)
	return err == nil || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")
}

// requireLoopback rejects requests from other machines.
func (a *API) requireLoopback(next http.Handler) http.Handler {
	refuse := a.handle(func(http.ResponseWriter, *http.Request) error {
		return problem.New(http.StatusForbidden, "this path accepts requests from this machine only, over loopback")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !from.Addr().Unmap().IsLoopback() {
			refuse(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// clientIP returns middleware that finds the address of the client behind trusted proxies.
func (a *API) clientIP() func(http.Handler) http.Handler {
	if len(a.TrustedProxies) == 0 {
		return middleware.ClientIPFromRemoteAddr
	}
	prefixes := make([]string, len(a.TrustedProxies))
	for i, prefix := range a.TrustedProxies {
		prefixes[i] = prefix.String()
	}
	fromHeader := middleware.ClientIPFromXFF(prefixes...)
	return func(next http.Handler) http.Handler {
		next = fromHeader(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isUnixSocket(r) {
				// A client that reaches a unix socket is a trusted proxy.
				r.RemoteAddr = netip.AddrPortFrom(a.TrustedProxies[0].Addr(), 0).String()
			}
			stripPorts(r.Header)
			a.warnOfForwarded(r)
			next.ServeHTTP(w, r)
		})
	}
}

// stripPorts removes ports from X-Forwarded-For. Some proxies add them, and the address would not
// parse: all their clients would count as one.
func stripPorts(header http.Header) {
	const name = "X-Forwarded-For"
	if header[name] == nil {
		return
	}
	hops := strings.Split(strings.Join(header[name], ","), ",")
	for i, hop := range hops {
		hop = strings.TrimSpace(hop)
		if with, err := netip.ParseAddrPort(hop); err == nil {
			hops[i] = with.Addr().String()
		} else if bare, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(hop, "["), "]")); err == nil {
			hops[i] = bare.String()
		}
	}
	header.Set(name, strings.Join(hops, ","))
}

// warnOfForwarded logs once that a trusted proxy did not write X-Forwarded-For anew: there is more than
// one address, and the last, which counts, is no proxy's. A proxy that adds the client's address to what
// the client sent looks like one that passes on whatever the client chose.
func (a *API) warnOfForwarded(r *http.Request) {
	separates := func(c rune) bool { return c == ',' || c == ' ' }
	hops := strings.FieldsFunc(r.Header.Get("X-Forwarded-For"), separates)
	if len(hops) < 2 || a.isTrustedProxy(hops[len(hops)-1]) {
		return
	}
	proxy, _, _ := net.SplitHostPort(r.RemoteAddr)
	if !a.isTrustedProxy(proxy) {
		return
	}
	a.forwardedWarning.Do(func() {
		a.Log.Warn("the proxy passes on the X-Forwarded-For that clients send", "proxy", proxy,
			"header", problem.Shorten(strings.Join(hops, ", ")),
			"advice", "let the proxy write the header anew, so that no client chooses its address; "+
				"name further proxies in --trusted-proxy")
	})
}

// isTrustedProxy reports whether an address is in a.TrustedProxies.
func (a *API) isTrustedProxy(address string) bool {
	parsed, err := netip.ParseAddr(address)
	contains := func(p netip.Prefix) bool { return p.Contains(parsed.Unmap().WithZone("")) }
	return err == nil && slices.ContainsFunc(a.TrustedProxies, contains)
}

func isUnixSocket(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return local != nil && local.Network() == "unix"
}

// clientAddress returns the client's address, or the proxy's where the proxy names none.
func clientAddress(r *http.Request) string {
	if address := middleware.GetClientIP(r.Context()); address != "" {
		return address
	}
	if isUnixSocket(r) {
		return "unix"
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// protocol returns the protocol of the client: h1, h2 or h3. A proxy that speaks plain HTTP with the
// hub may name the client's protocol in Via (RFC 9110, section 7.6.3).
func protocol(r *http.Request) string {
	via, _, _ := strings.Cut(r.Header.Get("Via"), " ")
	via = strings.TrimPrefix(via, "HTTP/")
	if r.TLS == nil && via != "" && strings.Contains("123", via[:1]) {
		return "h" + via[:1]
	}
	return "h" + strconv.Itoa(min(max(r.ProtoMajor, 1), 3))
}
