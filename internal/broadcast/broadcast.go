// SPDX-License-Identifier: Apache-2.0

// Package broadcast tells every replica to clear its cache. A request is an entry of one
// ConfigMap that each of them watches, so that whichever replica is asked, all do it.
package broadcast

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"provisioning.dev/extension-operator/internal/extension"
)

// ConfigMapName is that of the ConfigMap, in the operator's own namespace.
const ConfigMapName = "extension-operator-cache"

const (
	// kept is how many requests stay, for replicas that were away for a while.
	kept = 32
	// patience is how long it may take until this replica has seen a request of its own.
	patience = 5 * time.Second
	// tokenTime begins a token: they sort by time, so that the oldest can go.
	tokenTime = "20060102T150405.000000000Z"
	// maxName is the longest name of a caller that is passed on, in bytes.
	maxName = 256
)

// Options of a Channel; every field is required.
type Options struct {
	// Client writes to the API server.
	Client    client.Client
	Namespace string
	// Clear forgets one key, or all where it has no Version.
	Clear func(key extension.Key, by string) int
	Log   logr.Logger
	Now   func() time.Time
}

// Channel asks all replicas, and hears what they were asked. Its Handler must be added
// to an informer of the ConfigMap. It is safe for concurrent use.
type Channel struct {
	opts  Options
	began time.Time

	mu sync.Mutex
	// heard are the requests that are done, or were there before this process.
	heard map[string]bool
	// moved is closed when more was heard.
	moved chan struct{}
}

// New makes a Channel.
func New(opts Options) *Channel {
	return &Channel{opts: opts, began: opts.Now(), heard: map[string]bool{}, moved: make(chan struct{})}
}

// request is one entry; without a key all is to be forgotten.
type request struct {
	Key string `json:"key,omitempty"`
	By  string `json:"by,omitempty"`
}

// Clear asks every replica to forget one key, or all where it has no Version, and waits
// a moment until this one has: done tells whether it has. An error is that nobody was asked.
func (c *Channel) Clear(ctx context.Context, key extension.Key, by string) (done bool, err error) {
	wanted := request{By: by[:min(len(by), maxName)]}
	if key.Version != "" {
		wanted.Key = key.String()
	}
	text, err := json.Marshal(wanted)
	if err != nil {
		return false, fmt.Errorf("write the request to clear the cache: %w", err)
	}
	token := c.opts.Now().UTC().Format(tokenTime) + "-" + rand.Text()[:8]
	if err := c.send(ctx, token, string(text)); err != nil {
		return false, c.explain(err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		moved := c.next()
		if c.has(token) {
			return true, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return false, nil // it may hear of it yet
		}
	}
}

// send adds an entry to the ConfigMap, which is made where that is allowed.
func (c *Channel) send(ctx context.Context, token, text string) error {
	err := c.patch(ctx, token, text)
	if !apierrors.IsNotFound(err) {
		return err
	}
	object := &corev1.ConfigMap{ObjectMeta: c.object().ObjectMeta, Data: map[string]string{token: text}}
	err = c.opts.Client.Create(ctx, object)
	if apierrors.IsAlreadyExists(err) {
		return c.patch(ctx, token, text)
	}
	return err
}

// patch adds an entry and removes the oldest: nothing that another replica adds meanwhile.
func (c *Channel) patch(ctx context.Context, token, text string) error {
	data := map[string]*string{token: &text}
	c.mu.Lock()
	known := slices.Sorted(maps.Keys(c.heard))
	c.mu.Unlock()
	for _, old := range known[:max(0, len(known)-kept)] {
		data[old] = nil
	}
	patch, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return err
	}
	return c.opts.Client.Patch(ctx, c.object(), client.RawPatch(types.MergePatchType, patch))
}

func (c *Channel) object() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: c.opts.Namespace, Name: ConfigMapName}}
}

// explain makes the operator's own lack of a right no fault of the caller's.
func (c *Channel) explain(err error) error {
	if !apierrors.IsForbidden(err) {
		return err
	}
	return extension.NewTransientFault(extension.InternalError, err,
		"the operator may not write ConfigMap %s/%s, by which replicas are told: create it and grant patch on it, as config/rbac/cache_role.yaml does",
		c.opts.Namespace, ConfigMapName)
}

// Handler hears what an informer of the ConfigMap tells.
func (c *Channel) Handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(object any, initial bool) { c.hear(object, initial) },
		UpdateFunc: func(_, object any) { c.hear(object, false) },
	}
}

// hear does what it has not done yet. What was asked before this process began is of
// no interest: its cache was empty. What it finds first was, unless its token says that it
// was not: the first look may come late.
func (c *Channel) hear(object any, first bool) {
	told, is := object.(*corev1.ConfigMap)
	if !is || told.Name != ConfigMapName {
		return
	}
	for _, token := range slices.Sorted(maps.Keys(told.Data)) {
		if (!first || c.isNew(token)) && !c.has(token) {
			c.obey(token, told.Data[token])
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.heard)
	for token := range told.Data {
		c.heard[token] = true
	}
	close(c.moved)
	c.moved = make(chan struct{})
}

// isNew tells whether an entry says that it was made after this process began.
func (c *Channel) isNew(token string) bool {
	told, _, _ := strings.Cut(token, "-")
	at, err := time.Parse(tokenTime, told)
	return err == nil && !at.Before(c.began)
}

func (c *Channel) obey(token, text string) {
	var wanted request
	err := json.Unmarshal([]byte(text), &wanted)
	key, isKey := extension.ParseKey(wanted.Key)
	if err != nil || wanted.Key != "" && !isKey {
		c.opts.Log.Info("Not a request to clear the cache; ignored", "configmap", c.opts.Namespace+"/"+ConfigMapName, "entry", token)
		return
	}
	entries := c.opts.Clear(key, wanted.By)
	c.opts.Log.Info("Cache cleared", "key", wanted.Key, "by", wanted.By, "entries", entries)
}

func (c *Channel) has(token string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard[token]
}

func (c *Channel) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moved
}
