// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// check tells what is wrong with a value; name is that of the flag, of the environment
// variable, or of the line and key of the file that set it.
type check[T any] func(name string, value T) error

func atLeast[T int | time.Duration](least T) check[T] {
	return func(name string, value T) error {
		if value < least {
			return fmt.Errorf("%s is %v; at least %v is needed", name, value, least)
		}
		return nil
	}
}

func atMost(most int) check[int] {
	return func(name string, value int) error {
		if value > most {
			return fmt.Errorf("%s is %v; at most %v is possible", name, value, most)
		}
		return nil
	}
}

func oneOf(allowed ...string) check[string] {
	return func(name, value string) error {
		if !slices.Contains(allowed, value) {
			return fmt.Errorf("%s is %q; it can be %s", name, value, strings.Join(allowed, ", "))
		}
		return nil
	}
}

func named(what string) check[string] {
	return func(name, path string) error {
		if path == "" {
			return fmt.Errorf("%s is empty; it must name %s", name, what)
		}
		return nil
	}
}

func libraries(name string, entries []string) error {
	if _, err := ParseLibraries(entries); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// sandboxOff is the mode that needs no helper.
const sandboxOff = "off"

func (s *Settings) sandboxHelper(name, path string) error {
	if path == "" && s.Sandbox != sandboxOff {
		return fmt.Errorf("%s is empty; it must name the extension-sandbox helper, or give --sandbox=off to run nu without protection", name)
	}
	return nil
}
