// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// steps are what it can do, by name; what each gets is behind the "=".
var steps = map[string]func(value string) error{
	"out":    func(text string) error { _, err := os.Stdout.WriteString(text); return err },
	"err":    func(text string) error { _, err := os.Stderr.WriteString(text); return err },
	"exit":   exit,
	"signal": signalSelf,
	"ignore": func(name string) error { signal.Ignore(signals[name]); return nil },
	"loop":   func(string) error { return loop() },
	"sleep":  func(d string) error { wait, err := time.ParseDuration(d); <-time.After(wait); return err },
	"cat":    func(string) error { _, err := io.Copy(os.Stdout, os.Stdin); return err },
	"head":   head,
	"zeros":  func(n string) error { return zeros(os.Stdout, n) },
	"ezeros": func(n string) error { return zeros(os.Stderr, n) },
	"env":    func(string) error { return list(os.Environ()) },
	"pwd":    func(string) error { return pwd() },
	"open":   func(string) error { return openDescriptors() },
	"nice":   func(string) error { return niceness() },
	"limits": func(string) error { return limits() },
	"try":    try,
}

var signals = map[string]syscall.Signal{
	"SEGV": syscall.SIGSEGV, "KILL": syscall.SIGKILL, "XCPU": syscall.SIGXCPU, "XFSZ": syscall.SIGXFSZ, "ABRT": syscall.SIGABRT,
}

func main() {
	for i, arg := range os.Args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		if name == "args" { // the rest, as it came
			_ = list(os.Args[i+2:])
			return
		}
		step, known := steps[name]
		if !known {
			fmt.Fprintln(os.Stderr, "captive: no step", name)
			os.Exit(2)
		}
		if err := step(value); err != nil {
			fmt.Fprintf(os.Stderr, "captive: %s: %v\n", arg, err)
			os.Exit(1)
		}
	}
}

// signalSelf sends a signal to this process as kill does, with its own effect.
func signalSelf(name string) error {
	var byDefault [4]uint64 // the Go runtime would take most of them for a crash of its own
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(signals[name]), uintptr(unsafe.Pointer(&byDefault)), 0, 8, 0, 0)
	if errno != 0 && signals[name] != syscall.SIGKILL {
		return errno
	}
	if err := syscall.Kill(os.Getpid(), signals[name]); err != nil {
		return err
	}
	<-time.After(time.Minute) // it comes to another thread first
	return nil
}

func loop() error {
	for i := 0; ; i++ {
		if i < 0 {
			return nil
		}
	}
}

func head(count string) error {
	n, err := strconv.ParseInt(count, 10, 64)
	if err == nil {
		_, err = io.CopyN(os.Stdout, os.Stdin, n)
	}
	return err
}

func zeros(out *os.File, count string) error {
	n, err := strconv.Atoi(count)
	block := make([]byte, 64<<10)
	for n > 0 && err == nil {
		var written int
		written, err = out.Write(block[:min(n, len(block))])
		n -= written
	}
	return err
}

// list prints texts, each with a NUL behind it.
func list(texts []string) error {
	for _, text := range texts {
		if _, err := os.Stdout.WriteString(text + "\x00"); err != nil {
			return err
		}
	}
	return nil
}

func pwd() error {
	dir, err := syscall.Getwd()
	if err == nil {
		_, err = fmt.Println(dir)
	}
	return err
}

func exit(code string) error {
	n, err := strconv.Atoi(code)
	if err == nil {
		os.Exit(n)
	}
	return err
}
