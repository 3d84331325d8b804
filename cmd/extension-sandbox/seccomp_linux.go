// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Where struct seccomp_data has its fields. Both architectures are little-endian: the low half of an argument is first.
const (
	offsetNumber       = 0
	offsetArchitecture = 4
	offsetArguments    = 16
	argumentSize       = 8
)

// What the filter answers.
var (
	allowed = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	denied  = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	unknown = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
	killed  = bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS}
)

// rule is what the filter does with system calls from a number on: the instructions end in an answer on every way.
type rule struct {
	from uint32
	then []bpf.Instruction
}

// newestCall is the highest number that the tables know. What a later kernel adds does not exist for the program: nobody
// has looked at it.
const newestCall = unix.SYS_RSEQ_SLICE_YIELD

// filter is the whole program: architecture first, because numbers mean other calls there; then the call.
func filter(special []rule, deniedCalls []uintptr) []bpf.Instruction {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArchitecture, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: architecture, SkipTrue: 1},
		killed,
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
	}
	if foreignBit != 0 {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: foreignBit, SkipFalse: 1}, killed)
	}
	return append(program, tree(ranges(special, deniedCalls))...)
}

// ranges cover every number: each begins at its rule's number and ends before the next one's.
func ranges(special []rule, deniedCalls []uintptr) []rule {
	single := append([]rule{{newestCall + 1, []bpf.Instruction{unknown}}}, special...)
	for _, number := range deniedCalls {
		single = append(single, rule{uint32(number), []bpf.Instruction{denied}})
	}
	slices.SortFunc(single, func(a, b rule) int { return cmp.Compare(a.from, b.from) })
	all := []rule{{0, []bpf.Instruction{allowed}}}
	for _, r := range single {
		if last := len(all) - 1; all[last].from == r.from {
			all = all[:last] // the gap between two neighbours is empty
		}
		all = append(all, r)
		if r.from <= newestCall {
			all = append(all, rule{r.from + 1, []bpf.Instruction{allowed}})
		}
	}
	return slices.CompactFunc(all, func(a, b rule) bool { return slices.Equal(a.then, b.then) })
}

// tree finds the range of a number in a few steps: the kernel compiles the filter and runs it for every number when it is
// installed, and a chain of all rules takes a tenth of a load.
func tree(all []rule) []bpf.Instruction {
	if len(all) == 1 {
		return all[0].then
	}
	middle := len(all) / 2
	left, right := tree(all[:middle]), tree(all[middle:])
	if len(left) <= 255 { // what a conditional jump reaches
		return slices.Concat([]bpf.Instruction{
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: all[middle].from, SkipFalse: uint8(len(left))},
		}, left, right)
	}
	return slices.Concat([]bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: all[middle].from, SkipTrue: 1},
		bpf.Jump{Skip: uint32(len(left))},
	}, left, right)
}

// argument loads the low half of an argument, or its high half.
func argument(index int, high bool) bpf.Instruction {
	offset := uint32(offsetArguments + argumentSize*index)
	if high {
		offset += argumentSize / 2
	}
	return bpf.LoadAbsolute{Off: offset, Size: 4}
}

// unless denies the call unless the bits of an argument's low half under the mask are the value.
func unless(index int, mask, value uint32) []bpf.Instruction {
	return []bpf.Instruction{
		argument(index, false),
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: 1},
		denied,
	}
}

// unlessNull denies the call unless an argument is a null pointer.
func unlessNull(index int) []bpf.Instruction {
	return append(unless(index, wholeHalf, 0),
		argument(index, true), bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1}, denied)
}

// wholeHalf masks nothing.
const wholeHalf = 1<<32 - 1

// when denies the call when an argument's low half is one of the values.
func when(index int, values ...uint32) []bpf.Instruction {
	program := append(make([]bpf.Instruction, 0, 1+2*len(values)), argument(index, false))
	for _, value := range values {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipFalse: 1}, denied)
	}
	return program
}

// seccompProgram assembles the filter for a program of this process: pid, executed by one descriptor (-1: none).
func seccompProgram(pid, descriptor int) ([]unix.SockFilter, error) {
	raw, err := bpf.Assemble(filter(specialCalls(pid, descriptor), slices.Concat(deniedCalls, deniedHere)))
	if err != nil {
		return nil, err
	}
	program := make([]unix.SockFilter, 0, len(raw))
	for _, r := range raw {
		program = append(program, unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K})
	}
	return program, nil
}
