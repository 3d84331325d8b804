// SPDX-License-Identifier: Apache-2.0

package nushell

import "syscall"

func changeTime(stat *syscall.Stat_t) int64 { return stat.Ctim.Nano() }
