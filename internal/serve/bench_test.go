// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

// BenchmarkServer compares with a bare http.Server: what the limits cost a request, by as many clients as there are cores.
func BenchmarkServer(b *testing.B) {
	answer := bytes.Repeat([]byte("x"), 32<<10)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) })
	b.Run("bare", func(b *testing.B) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		server := &http.Server{Handler: handler}
		go func() { _ = server.Serve(listener) }()
		defer server.Close()
		request(b, listener.Addr())
	})
	b.Run("limited", func(b *testing.B) {
		s, err := Listen(b.Context(), plain(handler))
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- s.Start(ctx) }()
		request(b, s.Addr())
		cancel()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
	})
}

func request(b *testing.B, address net.Addr) {
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	b.ResetTimer()
	b.RunParallel(func(each *testing.PB) {
		for each.Next() {
			r, err := c.Get("http://" + address.String())
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}
	})
}
