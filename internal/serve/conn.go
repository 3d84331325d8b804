// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

const (
	// maxHeader is how many bytes a request may have before its body.
	maxHeader = 32 << 10
	// headerSlop is what http.Server adds to its setting.
	headerSlop = 4 << 10
)

// listener hands out connections whose TLS handshake, if any, happens when they are first read from: not while others
// wait to be accepted, and within the time for a header.
type listener struct {
	net.Listener
	tls *tls.Config // nil without TLS
}

func (l listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if l.tls == nil {
		return &conn{Conn: raw, raw: raw}, nil
	}
	return &conn{Conn: tls.Server(raw, l.tls), raw: raw}, nil
}

// conn is a connection on which everything that is answered is in the envelope: what http.Server says by itself, before
// there is a request that a handler could get, is plain text otherwise.
type conn struct {
	net.Conn
	raw net.Conn
}

// Read tells a client that takes the port for HTTP that it is HTTPS.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	var notTLS tls.RecordHeaderError
	if errors.As(err, &notTLS) && notTLS.Conn != nil && isHTTP(notTLS.RecordHeader) {
		// It may have hung up; there is nobody else to tell.
		_, _ = c.raw.Write(plainResponse("HTTP/1.1 400 Bad Request", "this is an HTTPS port: write https:// instead of http://"))
	}
	return n, err
}

// isHTTP tells a method from a record of TLS, which begins with a byte below 32.
func isHTTP(start [5]byte) bool { return start[0] >= 'A' && start[0] <= 'Z' }

// plainHeader is in each of http.Server's own answers, and in none of a handler's, which has a Date.
const plainHeader = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// Write puts http.Server's own answers into the envelope.
func (c *conn) Write(b []byte) (int, error) {
	if !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) {
		return c.Conn.Write(b)
	}
	status, text, own := bytes.Cut(b, []byte(plainHeader))
	if !own || bytes.ContainsAny(status, "\r\n") {
		return c.Conn.Write(b)
	}
	message := string(text)
	if strings.HasPrefix(message, "431 ") {
		message = fmt.Sprintf("the headers of the request are longer than %d KiB", maxHeader>>10)
	}
	if _, err := c.Conn.Write(plainResponse(string(status), message)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func plainResponse(status, message string) []byte {
	body := envelope(message)
	return fmt.Appendf(nil, "%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(body), body)
}

// CloseWrite lets http.Server tell a client that still sends why it is not listened to.
func (c *conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return http.ErrNotSupported
	}
	return half.CloseWrite()
}

// closeNow closes a connection without a word of TLS, for which a client would be waited for.
func closeNow(c net.Conn) {
	if own, ok := c.(*conn); ok {
		c = own.raw
	}
	_ = c.Close() // it may be closed already
}
