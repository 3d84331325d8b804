// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// maxBody is how many bytes the body of a request may have.
const maxBody = 64 << 10

// limitBody bounds the size of a request's body and the time in which it must have come. A handler that reads more gets
// a *http.MaxBytesError, and one that reads for too long an error that is os.ErrDeadlineExceeded.
//
// What a handler leaves unread, http.Server reads before it sends the answer. It does so for a short time, in which the
// connection counts as one that waits: a client that does not send its body takes nobody's place.
func (s *Server) limitBody(next http.Handler, t times) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		connection := http.NewResponseController(w)
		if err := connection.SetReadDeadline(time.Now().Add(t.body)); err != nil {
			fail(w, http.StatusInternalServerError, "the time for the body of the request cannot be limited")
			return
		}
		// Once the body is there, the handler may take its time: the deadline of reading would end the request's context.
		sent := &body{ReadCloser: http.MaxBytesReader(w, r.Body, maxBody), complete: func() error {
			return connection.SetReadDeadline(time.Time{})
		}}
		r.Body = sent
		next.ServeHTTP(w, r)
		if !sent.ended {
			_ = connection.SetReadDeadline(time.Now().Add(t.rest)) // it could be set before, or the connection is closed
			s.clients.done(r.Context())
		}
	})
}

// body calls complete at its end.
type body struct {
	io.ReadCloser
	complete func() error
	ended    bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.ended = true
		if problem := b.complete(); problem != nil {
			return n, problem
		}
	}
	return n, err
}

// fail answers with the envelope of a failure.
func fail(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(envelope(message)) // a client that has gone is not told
}

// envelope is how the API says that something failed.
func envelope(message string) []byte {
	text, _ := json.Marshal(struct { //nolint:errchkjson // a struct of a bool and a string is always encoded
		Success bool   `json:"success"`
		Error   string `json:"error"`
	}{Error: message})
	return append(text, '\n')
}
