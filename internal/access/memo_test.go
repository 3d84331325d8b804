// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func isTrue(b bool) bool { return b }

func of(question string) key { return sha256.Sum256([]byte(question)) }

func TestAnswersAreRememberedForAWhile(t *testing.T) {
	g := NewWithT(t)
	clock := newMoment()
	m := newMemo(isTrue, 10, 10, clock.now)
	asked := 0
	ask := func(answer bool) {
		got, err := m.ask(t.Context(), of(strconv.FormatBool(answer)), func(context.Context) (bool, error) { asked++; return answer, nil })
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(Equal(answer))
	}
	ask(true)
	ask(false)
	ask(true)
	ask(false)
	g.Expect(asked).To(Equal(2))
	clock.pass(noTime + time.Millisecond)
	ask(true)
	g.Expect(asked).To(Equal(2))
	ask(false)
	g.Expect(asked).To(Equal(3), "what was granted meanwhile is seen")
	clock.pass(yesTime - noTime)
	ask(true)
	g.Expect(asked).To(Equal(4), "what was revoked meanwhile is seen")
}

func TestErrorsAreNotRemembered(t *testing.T) {
	g := NewWithT(t)
	m := newMemo(isTrue, 10, 10, newMoment().now)
	_, err := m.ask(t.Context(), of("x"), func(context.Context) (bool, error) { return false, errors.New("boom") })
	g.Expect(err).To(MatchError("boom"))
	g.Expect(m.ask(t.Context(), of("x"), func(context.Context) (bool, error) { return true, nil })).To(BeTrue())
}

func TestGuessesPushNobodyOut(t *testing.T) {
	g := NewWithT(t)
	m := newMemo(isTrue, 2, 3, newMoment().now)
	ask := func(question string, answer bool) {
		_, err := m.ask(t.Context(), of(question), func(context.Context) (bool, error) { return answer, nil })
		g.Expect(err).NotTo(HaveOccurred())
	}
	ask("good", true)
	for i := range 1000 {
		ask(strconv.Itoa(i), false)
	}
	_, known := m.get(of("good"))
	g.Expect(known).To(BeTrue())
	g.Expect(m.bad.Keys()).To(HaveLen(3))
	for i := range 1000 {
		ask(fmt.Sprint("good", i), true)
	}
	g.Expect(m.good.Keys()).To(HaveLen(2))
}

func TestWhoAsksTheSameAtOnceSharesTheAnswer(t *testing.T) {
	g := NewWithT(t)
	m := newMemo(isTrue, 10, 10, newMoment().now)
	var asked atomic.Int64
	release := make(chan struct{})
	first, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 50 {
		ctx := t.Context()
		if i == 0 {
			ctx = first
		}
		all.Go(func() {
			got, err := m.ask(ctx, of("x"), func(ctx context.Context) (bool, error) {
				asked.Add(1)
				<-release
				return true, ctx.Err()
			})
			if i == 0 {
				g.Expect(apierrors.IsServiceUnavailable(err)).To(BeTrue(), "%v", err)
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(BeTrue())
		})
		if i == 0 {
			g.Eventually(asked.Load).Should(BeEquivalentTo(1))
		}
	}
	leave() // who asked first goes; the question stays for the others
	time.Sleep(50 * time.Millisecond)
	close(release)
	all.Wait()
	g.Expect(asked.Load()).To(BeEquivalentTo(1))
}

func TestAQuestionEndsWhenNoAnswerComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		m := newMemo(isTrue, 10, 10, time.Now)
		begun := time.Now()
		_, err := m.ask(t.Context(), of("x"), func(ctx context.Context) (bool, error) {
			<-ctx.Done()
			return false, ctx.Err()
		})
		g.Expect(err).To(MatchError(context.DeadlineExceeded))
		g.Expect(time.Since(begun)).To(Equal(askLimit))
	})
}
